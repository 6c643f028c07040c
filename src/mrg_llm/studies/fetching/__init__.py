"""Getting a public data set: addresses and licence (open_i), resumable download (download), safe unpacking (unpack)."""

from mrg_llm.studies.fetching.open_i import BASE, LICENCE, Archive, fetch_iu_xray, plan

__all__ = ["BASE", "LICENCE", "Archive", "fetch_iu_xray", "plan"]
