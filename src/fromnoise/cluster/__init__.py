"""Pictures by the million: a pool of workers, each with the model, on one machine or many, writes them into shards.

Ray Data hands out the work and does it again where a worker dies (:mod:`~fromnoise.cluster.pool`); what a worker does
(:mod:`~fromnoise.cluster.painter`), what a shard is (:mod:`~fromnoise.cluster.shard`) and what is to be done
(:mod:`~fromnoise.cluster.job`) know nothing of Ray. docs/scaling.md shows its use.
"""
