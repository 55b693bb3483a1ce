"""Damaged and hostile files by the thousand: every reader must give data or one typed error, whatever it is given."""
