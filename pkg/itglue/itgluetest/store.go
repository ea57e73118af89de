package itgluetest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	firstOrganizationID = 4489414129010794
	organizationIDStep  = 37
	firstDomainID       = 7_000_000
)

// store holds the data of the simulated account.
type store struct {
	mu       sync.Mutex
	now      func() time.Time
	records  map[uint64]*record
	types    *lookup
	statuses *lookup

	nextID       uint64
	nextDomainID uint64
	deletionLag  time.Duration

	// Views of records, kept until the next change.
	sorted  []*record
	domains []domain
}

func newStore(now func() time.Time) *store {
	return &store{
		now:          now,
		records:      make(map[uint64]*record),
		types:        newLookup("organization-types", 86, now),
		statuses:     newLookup("organization-statuses", 68, now),
		nextID:       firstOrganizationID,
		nextDomainID: firstDomainID,
	}
}

// add stores the organization and returns its id. One of the same id is
// replaced.
func (s *store) add(organization Organization) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.addLocked(organization)
}

func (s *store) addLocked(organization Organization) (string, error) {
	if organization.ID == "" {
		organization.ID = s.newID()
	}

	id, ok := parseID(organization.ID)
	if !ok {
		return "", fmt.Errorf("itgluetest: %q is not an IT Glue id", organization.ID)
	}

	now := s.now()
	if organization.CreatedAt.IsZero() {
		organization.CreatedAt = now
	}

	if organization.UpdatedAt.IsZero() {
		organization.UpdatedAt = organization.CreatedAt
	}

	organization.TypeID, organization.TypeName = s.types.resolve(organization.TypeID, organization.TypeName)
	organization.StatusID, organization.StatusName = s.statuses.resolve(organization.StatusID, organization.StatusName)

	added := &record{Organization: organization, id: id}
	added.Organization = added.export() // the caller keeps its slices

	for _, name := range organization.Domains {
		added.domains = append(added.domains, domain{id: s.nextDomainID, name: name, owner: added, createdAt: now})
		s.nextDomainID++
	}

	s.put(added)

	return organization.ID, nil
}

func (s *store) newID() string {
	for {
		id := s.nextID
		s.nextID += organizationIDStep

		if _, taken := s.records[id]; !taken {
			return strconv.FormatUint(id, 10)
		}
	}
}

func (s *store) put(r *record) {
	s.records[r.id] = r
	s.sorted, s.domains = nil, nil
}

// update replaces the organization by a changed one. It reports whether there
// is such an organization.
func (s *store) update(id uint64, change func(*Organization)) (*record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	current, ok := s.records[id]
	if !ok || current.deleted {
		return nil, false
	}

	changed := current.clone()
	change(&changed.Organization)
	changed.UpdatedAt = s.now()
	s.put(changed)

	return changed, true
}

func (s *store) remove(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	current, ok := s.records[id]
	if !ok || current.deleted {
		return false
	}

	if s.deletionLag <= 0 {
		delete(s.records, id)
		s.sorted, s.domains = nil, nil

		return true
	}

	gone := current.clone()
	gone.deleted, gone.goneSince = true, s.now()
	s.put(gone)

	return true
}

// find returns an organization that is not deleted.
func (s *store) find(id uint64) (*record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	found, ok := s.records[id]

	return found, ok && !found.deleted
}

// list returns what an index shows, sorted by id: with a deletion lag also
// what was deleted lately. The slice is shared and must not be changed.
func (s *store) list() []*record {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.expire()

	if s.sorted == nil {
		s.sorted = slices.SortedFunc(maps.Values(s.records), compareID)
	}

	return s.sorted
}

// listDomains is list for domains.
func (s *store) listDomains() []domain {
	records := s.list()

	s.mu.Lock()
	defer s.mu.Unlock()

	if s.domains == nil {
		for _, r := range records {
			s.domains = append(s.domains, r.domains...)
		}
	}

	return s.domains
}

func (s *store) expire() {
	if s.deletionLag <= 0 {
		return
	}

	limit := s.now().Add(-s.deletionLag)

	for id, r := range s.records {
		if r.deleted && !r.goneSince.After(limit) {
			delete(s.records, id)
			s.sorted, s.domains = nil, nil
		}
	}
}

func (s *store) setDeletionLag(lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.deletionLag = lag
	if lag > 0 {
		return
	}

	for id, r := range s.records {
		if r.deleted {
			delete(s.records, id)
			s.sorted, s.domains = nil, nil
		}
	}
}

func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()

	clear(s.records)
	s.sorted, s.domains = nil, nil
}

// renameEverywhere carries the new name of a type or status into all its
// organizations, which does not count as an update of them.
func (s *store) renameEverywhere(change func(*Organization) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, r := range s.records {
		changed := r.clone()
		if change(&changed.Organization) {
			s.put(changed)
		}
	}
}
