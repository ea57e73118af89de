package store

import "time"

// SetNodesClock gives a store that goes by the database's clock a node with a wrong one.
func (s *Store) SetNodesClock(now func() time.Time) {
	s.now = func() time.Time { return instant(now()) }
}
