"""Written reports against references: scores that name their protocol, with intervals, baselines and diagnoses.

`read_outputs` reads anyone's reports, `score_run` scores them, `print_board`, `ScoreBoard.save` and `write_page` show
the result. Nothing here needs torch or a model.
"""

from mrg_llm.scoring.formats import read_outputs
from mrg_llm.scoring.measures import Measure
from mrg_llm.scoring.outputs import Output, Outputs, outputs, write_predictions
from mrg_llm.scoring.protocol import PROTOCOLS, Protocol, protocol
from mrg_llm.scoring.scoreboard import ScoreBoard
from mrg_llm.scoring.scorer import Training, score_run
from mrg_llm.scoring.terminal import print_board

__all__ = [
    "PROTOCOLS",
    "Measure",
    "Output",
    "Outputs",
    "Protocol",
    "ScoreBoard",
    "Training",
    "outputs",
    "print_board",
    "protocol",
    "read_outputs",
    "score_run",
    "write_predictions",
]
