"""Printers of a listing: as a NumPy program, in LaTeX, as a graph, as loops. 程序的几种写法"""
