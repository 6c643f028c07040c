"""Phantom studies: chest films drawn from an anatomical model with findings that are known, and their reports.

    draw_body -> draw_scene -> Frontal, Lateral -> two films       anatomy, findings, projection, frontal, lateral, film
                            -> write_report     -> one report      grammar
    write_phantoms, read_phantoms               -> a folder        folder

A study is a function of (seed, index) and of nothing else. Nothing here is or was a patient.
"""

from mrg_llm.studies.phantom.findings import FINDINGS
from mrg_llm.studies.phantom.folder import read_phantoms, write_phantoms

__all__ = ["FINDINGS", "read_phantoms", "write_phantoms"]
