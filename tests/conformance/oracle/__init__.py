"""Runs scenarios on asyncio. README.md in the folder above says what a scenario is."""
