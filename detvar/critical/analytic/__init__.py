"""Critical points of losses with exp, log and roots: proposed by floats, proved in balls."""
