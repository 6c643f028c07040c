"""Where a sentence came from: `explain(reporter, shown, text)` -> a heat map for each sentence over each view.

    explain -> Explanation      maps      gradient through the patch features, by visual tokens and by prompts
    moved_prompts               moved     how far the film moved each prompt
    likest_studies              alike     the training studies whose films look most alike
    page                        page      all of it as one self-contained HTML page

A heat map says which patches of the film the wording of a sentence hangs on; it proves neither that the finding is
there nor that the model knows what it looks like.
"""

from mrg_llm.explain.alike import Alike, likest_studies
from mrg_llm.explain.maps import Explanation, explain
from mrg_llm.explain.moved import Moved, moved_prompts
from mrg_llm.explain.page import Shelf, page

__all__ = ["Alike", "Explanation", "Moved", "Shelf", "explain", "likest_studies", "moved_prompts", "page"]
