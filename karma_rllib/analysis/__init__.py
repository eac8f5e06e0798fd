"""From events and result files to numbers, tables, pictures and a report; no ray, no torch."""
