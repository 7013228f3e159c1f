"""What Rebook's services agree on. Anything only one of them needs lives in that one."""
