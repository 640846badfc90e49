"""The chapters of the studio on one page that needs no server: what they ask for is recorded beforehand."""
