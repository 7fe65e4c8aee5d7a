"""The configuration language and the table of all options: text in, checked values and records out.

Pure knowledge: reading files, looking at the environment and everything that other rooms know is handed in.
"""
