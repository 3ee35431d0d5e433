"""The command line of backends/jobs/export.py in this framework."""

from backends.jobs.door import door

main = door(__file__)

if __name__ == "__main__":
    raise SystemExit(main())
