package pluginserver

// OwnedByAnother tells whether another server answers at the listener's path.
func (l *Listener) OwnedByAnother() bool { return l.owner() == another }
