"""Rung 6: batches through the three native loaders."""

from __future__ import annotations

from core.config import load_config
from core.data.pipeline import TrainingSamples, collate
from parity_tests.cases import Case
from parity_tests.ladder import Arrays, Asked, Quantities, Rung

TRANSFORM = {
    "scale": [0.5, 2.0],
    "brightness": 0.3,
    "contrast": 0.3,
    "saturation": 0.3,
    "hue": 0.05,
    "blur": 0.5,
    "cat_max_ratio": 0.75,
    "enhance": 0.25,
    "cutmix": 0.3,
    "copy_paste": 0.3,
}
# title -> (workers, first iteration, iterations). Three batches of 4 make an epoch of 12 pictures.
RUNS = {"0 workers": (0, 0, 5), "1 worker": (1, 0, 5), "2 workers": (2, 0, 5), "2 workers, resumed": (2, 4, 3)}


class Data(Rung):
    """Pictures and labels, byte for byte: over an epoch boundary, for several numbers of workers, after a resume."""

    name = "6 data"
    question = "Do the native loaders give byte-identical batches?"
    per_case = False
    has_reference = True

    def collect(self, backend: Asked, case: Case) -> Quantities:
        found: Quantities = {}
        for title, (workers, start, count) in RUNS.items():
            text = case.config({"transform": {"crop": list(case.crop), **TRANSFORM}})
            _, found[title] = backend.request("batches", config=text, workers=workers, start=start, count=count)
        return {title: dict(sorted(arrays.items())) for title, arrays in found.items()}

    def expected(self, case: Case) -> Quantities:
        config = load_config(text=case.config({"transform": {"crop": list(case.crop), **TRANSFORM}}))
        dataset, transform, size = config.open_dataset("train"), config.train_transform(), config.train.batch_size
        found: Quantities = {}
        for title, (_, start, count) in RUNS.items():
            items = TrainingSamples(dataset, transform, config.seed, size, start + count, start)
            batches: Arrays = {}
            for i in range(count):
                images, labels = collate([items[i * size + k] for k in range(size)])
                batches |= {f"{i}/images": images, f"{i}/labels": labels}
            found[title] = dict(sorted(batches.items()))
        return found
