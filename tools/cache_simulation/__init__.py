"""Compare eviction policies on recorded and synthetic traces."""
