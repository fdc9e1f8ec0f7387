"""What a study is: its configuration, its image ranges, what makes a job run again.

The workflow imports this room each time it parses, on every cluster node, so
nothing here imports torch, timm, numpy or pandas.
"""
