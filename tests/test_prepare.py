"""Every data set is prepared from a miniature of its published archives and read; damaged and hostile archives are
not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from core.data import DATASETS, IGNORE, open_dataset
from core.data.prepare.__main__ import main
from tests.miniatures import MINIATURES, SIZE


def prepared(name, tmp_path, *arguments):
    """The root that a miniature was prepared to."""
    for package in MINIATURES[name].needs:
        pytest.importorskip(package, reason=f"{package} reads and writes this data set's files")
    archives, root = tmp_path / "archives", tmp_path / "root"
    archives.mkdir(exist_ok=True)
    MINIATURES[name].write(archives)
    assert main([name, "--from", str(archives), "--to", str(root), "--workers", "2", *arguments]) == 0
    return root


def test_every_data_set_with_files_has_a_miniature():
    assert {name for name, dataset in DATASETS.items() if dataset.recipe} == set(MINIATURES)


@pytest.mark.parametrize("name", MINIATURES)
def test_a_miniature_is_prepared_and_read(name, tmp_path, capsys):
    root = prepared(name, tmp_path)
    said = capsys.readouterr().out
    dataset = DATASETS[name]
    counts = MINIATURES[name].counts
    for split in counts:
        opened = open_dataset(name, split, root, require_labels=split not in dataset.unlabelled)
        assert len(opened) == counts[split], split
        assert re.search(rf"^{re.escape(split)}(, \w+=\S+)?: {counts[split]} pictures", said, re.MULTILINE), said
    first = open_dataset(name, "train", root)
    values = set()
    for i in range(min(len(first), 4)):
        sample = first[i]
        assert sample.image.shape == (*SIZE, 3)
        assert sample.label is not None
        assert sample.label.shape == SIZE
        values |= set(np.unique(sample.label).tolist())
    assert len(values - {IGNORE}) > 1
    assert max(values - {IGNORE}) < first.num_classes
    assert not [path for path in root.rglob(".*") if path.is_file()]
