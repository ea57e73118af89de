package itgluetest

import (
	"net/http"
	"slices"
	"strings"
)

func (x *exchange) indexOrganizations() answer {
	if refused, ok := x.checkIncludes("adapters_resources", "attachments", "rmm_companies"); !ok {
		return refused
	}

	found, err := x.findOrganizations()
	if err != nil {
		return x.failures(http.StatusUnprocessableEntity, apiError{
			Status: http.StatusUnprocessableEntity, Title: err.Error(),
		})
	}

	return pageOf(x, x.sorted(found), organizationFilters(), func(records []*record) []row {
		return organizationRows(x.duplicate(records))
	})
}

// findOrganizations returns what passes the filters and is not hidden from the
// key, sorted by id. The slice may be shared.
func (x *exchange) findOrganizations() ([]*record, error) {
	conditions, err := x.conditions()
	if err != nil {
		return nil, err
	}

	records := x.server.store.list()

	hidden := x.server.keys.hidden(x.key)
	if len(conditions) == 0 && len(hidden) == 0 {
		return records, nil
	}

	var found []*record

	for _, r := range records {
		passes := func(c condition) bool { return c(r) }
		if !hidden[r.id] && all(conditions, passes) {
			found = append(found, r)
		}
	}

	return found, nil
}

func all(conditions []condition, passes func(condition) bool) bool {
	return !slices.ContainsFunc(conditions, func(c condition) bool { return !passes(c) })
}

func (x *exchange) checkIncludes(known ...string) (answer, bool) {
	if !x.server.strictIncludes || !x.query.Has("include") {
		return answer{}, true
	}

	for name := range strings.SplitSeq(x.query.Get("include"), ",") {
		if !slices.Contains(known, canonical(strings.TrimSpace(name))) {
			return x.fail(http.StatusBadRequest, name+" is not a valid include"), false
		}
	}

	return answer{}, true
}

func (x *exchange) showOrganization(r *record) answer {
	return x.document(http.StatusOK, r)
}

func (x *exchange) document(status int, r *record) answer {
	rest := appendOrganization(nil, r, r.Name, true)

	return documentAnswer(status, row{id: r.ID, rest: rest}, x.has(FaultIDsAsNumbers))
}
