"""Tests beside published companion packages, and with the oldest and newest libraries."""
