"""A plugin that hands on whatever lies in a node's folder, as Nipype's cluster plugins do."""

import networkx
from nipype.pipeline.plugins.base import PluginBase
from nipype.pipeline.plugins.tools import create_pyscript


class CancelledPlugin(PluginBase):
    """Run nodes one after another; the jobs of some are cancelled in the queue.

    Parameters
    ----------
    *names : str
        Names of the nodes that do not run.
    """

    def __init__(self, *names):
        super().__init__({})
        self.names = names

    def run(self, graph, config, updatehash=False):
        """Run the others."""
        for node in networkx.topological_sort(graph):
            create_pyscript(node)  # as for any job
            if node.name not in self.names:
                node.run(updatehash=updatehash)
