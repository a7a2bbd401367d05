"""The gallery: one page that steps through five short computations, notebooks/pages/gallery.html. 展厅

    python -m tinygrad_zh.documents.gallery    writes it anew, from the clone's root; another file may be named
"""
