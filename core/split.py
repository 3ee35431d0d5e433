"""How a run's batch is split over its processes, in words."""

from __future__ import annotations

from core.config import Config, TrainConfig
from core.errors import ConfigError
from core.shard import Shard


def check_split(options: TrainConfig, world: int) -> None:
    """Raises ConfigError where a part of the batch has fewer pictures than there are processes."""
    if options.part_size < world:
        parts = f" in {options.accumulation} parts of {options.part_size}" if options.accumulation > 1 else ""
        raise ConfigError(
            f"train.batch_size is {options.batch_size}{parts}, of all processes together: too few pictures for {world} "
            "of them, each needs one; raise train.batch_size, lower train.accumulation or start fewer processes"
        )


def describe(shard: Shard, options: TrainConfig) -> str:
    """A line on how a run is split, and what batch norm sees."""
    if shard.world == 1:
        return f"one process: batch norm is over the {options.part_size} pictures of a part; nothing is synchronised"
    sizes = sorted({len(Shard(rank, shard.world).share(options.part_size)) for rank in range(shard.world)})
    norm = f"all {options.part_size} of them" if options.sync_batch_norm else "each process's own"
    return f"{shard.world} processes with {' or '.join(map(str, sizes))} pictures at a time; batch norm is over {norm}"


def describe_recipe(shard: Shard, config: Config) -> list[str]:
    """How the run's batches differ from those of the published figure; nothing where they do not."""
    options, optimizer = config.train, config.optimizer
    normalised = options.part_size
    if not options.sync_batch_norm:
        normalised = len(Shard(0, shard.world).share(options.part_size))
    return config.recipe.differences(
        options.batch_size, normalised, optimizer.name, optimizer.lr, config.train.scale_lr
    )
