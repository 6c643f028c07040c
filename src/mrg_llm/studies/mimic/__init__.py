"""What the reader of MIMIC-CXR (mimic_cxr.py) stands on.

layout      a folder as PhysioNet's files lie in it -> where the tables, the films and the reports are
tables      the tables, a row at a time -> one `Entry` a study
"""
