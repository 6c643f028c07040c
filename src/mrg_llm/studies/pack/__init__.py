"""`pack:FOLDER`: films decoded once, kept as 8-bit squares beside their reports. layout.py says what lies where."""

from mrg_llm.studies.pack.layout import Square
from mrg_llm.studies.pack.reading import packed_square, read_pack
from mrg_llm.studies.pack.state import Packed, Recipe, packed_so_far
from mrg_llm.studies.pack.verify import damaged
from mrg_llm.studies.pack.writing import write_pack

__all__ = ["Packed", "Recipe", "Square", "damaged", "packed_so_far", "packed_square", "read_pack", "write_pack"]
