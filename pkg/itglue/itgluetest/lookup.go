package itgluetest

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// lookup is one of the tables that an account defines for itself:
// organization types or statuses.
type lookup struct {
	resourceType string
	now          func() time.Time

	mu      sync.Mutex
	entries map[int]lookupEntry
	nextID  int
}

type lookupEntry struct {
	id                   int
	name                 string
	createdAt, updatedAt time.Time
}

func newLookup(resourceType string, firstID int, now func() time.Time) *lookup {
	return &lookup{resourceType: resourceType, now: now, entries: make(map[int]lookupEntry), nextID: firstID}
}

// resolve completes an id or a name to both, adding the entry if it is new.
func (l *lookup) resolve(id int, name string) (knownID int, knownName string) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if id == 0 && name == "" {
		return 0, ""
	}

	if id == 0 {
		for _, entry := range l.entries {
			if entry.name == name {
				return entry.id, name
			}
		}

		id = l.nextID
	}

	if entry, ok := l.entries[id]; ok {
		return id, entry.name
	}

	l.entries[id] = lookupEntry{id: id, name: name, createdAt: l.now(), updatedAt: l.now()}
	l.nextID = max(l.nextID, id+1)

	return id, name
}

func (l *lookup) find(id int) (lookupEntry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()

	entry, ok := l.entries[id]

	return entry, ok
}

func (l *lookup) rename(id int, name string) (lookupEntry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()

	entry, ok := l.entries[id]
	if !ok {
		return entry, false
	}

	entry.name, entry.updatedAt = name, l.now()
	l.entries[id] = entry

	return entry, true
}

func (l *lookup) list() []lookupEntry {
	l.mu.Lock()
	defer l.mu.Unlock()

	return slices.SortedFunc(maps.Values(l.entries), func(a, b lookupEntry) int { return cmp.Compare(a.id, b.id) })
}
