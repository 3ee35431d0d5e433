"""From the archives that data sets are published in to the layout that is read here: `python -m core.data.prepare`."""
