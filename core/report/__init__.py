"""One page about runs, whichever framework trained them: `reading` the directories, `plots`, the `page`."""
