"""What the tracking server has not acknowledged: kept on this machine, sent in order, counted when lost."""
