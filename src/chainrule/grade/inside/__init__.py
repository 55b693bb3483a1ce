"""What runs in the limited child process: the standard library and NumPy only, never the rest of this package.

The child is started by path and imports this folder under the name `inside`, so every import here is relative. The
mistake it guards against: a submission that can import the functions it is graded with has only to call them.
"""
