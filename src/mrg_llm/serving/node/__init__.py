"""A DICOM node: films come in by C-STORE, drafts go back as Basic Text SR.

    node = start_node(NodeOptions(port=11112, store=Path("node"), send=parse_peer("ARCHIVE@10.0.0.2:104")), drafter)
    node.items(); node.report(id); node.stop()

receiver -> store -> worker (drafter) -> sending. docs/dicom-node.md says what an archive must be told.
"""

from mrg_llm.serving.node.node import Node, start_node
from mrg_llm.serving.node.options import NodeOptions, Peer, parse_peer, read_credentials
from mrg_llm.serving.node.worklist import Received

__all__ = ["Node", "NodeOptions", "Peer", "Received", "parse_peer", "read_credentials", "start_node"]
