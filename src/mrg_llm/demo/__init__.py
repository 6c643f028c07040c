"""`mrg demo`: the whole story on phantom studies, whose true findings are known.

    draw phantoms -> align -> train `static` and `prompt-wise` -> write test reports -> score -> one HTML page

The proof it looks for: reports name the findings that are really there, and stop doing so when the films are swapped
between studies.
"""

from mrg_llm.demo.story import run_demo

__all__ = ["run_demo"]
