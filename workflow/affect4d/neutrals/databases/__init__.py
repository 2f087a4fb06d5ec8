"""Adapters: the only code that knows how a database of photographs lies on disk.

To add one, add a module that defines `ADAPTER` (`database_adapters.Adapter`) and a YAML file of the
same name with its default layout. What an adapter cannot use goes into quarantine.
"""
