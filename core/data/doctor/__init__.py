"""The doctor: looks at pictures and label maps before training, and says what is wrong and what to set.

`examine` reads the files and notes facts (`Look`), the modules of checks make findings of them, `page` shows these,
`mend` writes the configuration they suggest. A check is a function from an `Examination` to findings.
"""
