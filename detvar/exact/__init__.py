"""The ground floor: rationals, matrices over Q, algebraic numbers, text; the one place with FLINT.

Import what is needed from the modules: `detvar.exact.rational`, `detvar.exact.matrices`, ….
"""
