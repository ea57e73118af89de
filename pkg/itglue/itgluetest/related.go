package itgluetest

import (
	"hash/crc32"
	"net/http"
	"slices"
	"strconv"
)

// indexDomains lists all domains. There is no filter on the name.
func (x *exchange) indexDomains() answer {
	known := filterNames{"[id]", "[organization_id]"}
	filters := x.filters(known)
	hidden := x.server.keys.hidden(x.key)

	if len(filters) == 0 && len(hidden) == 0 {
		return page(x, x.sortedDomains(x.server.store.listDomains()), known, domainRow)
	}

	var found []domain

	for _, d := range x.server.store.listDomains() {
		if !hidden[d.owner.id] &&
			passes(filters, "[id]", strconv.FormatUint(d.id, 10)) &&
			passes(filters, "[organization_id]", d.owner.ID) {
			found = append(found, d)
		}
	}

	return page(x, x.sortedDomains(found), known, domainRow)
}

// indexDomainsOf lists the domains of one organization; nested routes know no
// filters.
func (x *exchange) indexDomainsOf(owner *record) answer {
	return page(x, x.sortedDomains(owner.domains), nil, domainRow)
}

// sortedDomains knows the two sort keys of domains, created_at and updated_at,
// which are the same here.
func (x *exchange) sortedDomains(domains []domain) []domain {
	order := 1

	switch canonical(x.query.Get("sort")) {
	case "created_at", "updated_at":
	case "_created_at", "_updated_at":
		order = -1
	default:
		return domains
	}

	ordered := slices.Clone(domains)
	slices.SortStableFunc(ordered, func(a, b domain) int { return order * a.createdAt.Compare(b.createdAt) })

	return ordered
}

func passes(filters map[string]string, name, value string) bool {
	wanted, ok := filters[name]

	return !ok || slices.Contains(splitList(wanted), value)
}

// routeLookup serves /organization_types and /organization_statuses, which
// can be created and renamed but not deleted.
func (x *exchange) routeLookup(method string, rest []string, table *lookup) answer {
	switch {
	case len(rest) == 0 && method == http.MethodGet:
		return x.indexLookup(table)
	case len(rest) == 0 && method == http.MethodPost:
		return x.createLookup(table)
	case len(rest) != 1:
		return x.notFound()
	}

	id, err := strconv.Atoi(rest[0])
	if err != nil {
		return x.notFound()
	}

	entry, ok := table.find(id)

	switch {
	case ok && method == http.MethodGet:
		return documentAnswer(http.StatusOK, table.row(entry), false)
	case ok && method == http.MethodPatch:
		return x.renameLookup(table, id)
	default:
		return x.notFound()
	}
}

func (x *exchange) indexLookup(table *lookup) answer {
	known := filterNames{"[name]"}
	filters := x.filters(known)

	found := slices.DeleteFunc(table.list(), func(entry lookupEntry) bool {
		return !passes(filters, "[name]", entry.name)
	})

	return page(x, found, known, table.row)
}

func (x *exchange) createLookup(table *lookup) answer {
	name, refused, ok := x.lookupName()
	if !ok {
		return refused
	}

	id, _ := table.resolve(0, name)
	entry, _ := table.find(id)

	return documentAnswer(http.StatusCreated, table.row(entry), false)
}

func (x *exchange) renameLookup(table *lookup, id int) answer {
	name, refused, ok := x.lookupName()
	if !ok {
		return refused
	}

	entry, _ := table.rename(id, name)
	statuses := table == x.server.store.statuses

	x.server.store.renameEverywhere(func(organization *Organization) bool {
		if statuses && organization.StatusID == id {
			organization.StatusName = name

			return true
		}

		if !statuses && organization.TypeID == id {
			organization.TypeName = name

			return true
		}

		return false
	})

	return documentAnswer(http.StatusOK, table.row(entry), false)
}

func (x *exchange) lookupName() (string, answer, bool) {
	bodies := x.decode()
	if len(bodies) != 1 {
		return "", x.badRequest(), false
	}

	name := text(bodies[0].attributes()["name"])
	if name == "" {
		return "", x.failures(http.StatusUnprocessableEntity, invalid("name", "can't be blank")), false
	}

	return name, answer{}, true
}

// indexRegions lists regions of countries; some programs use the route as a
// cheap test of a key.
func (x *exchange) indexRegions() answer {
	return page(x, []string{"California", "New York", "Ontario"}, nil, regionRow)
}

func regionRow(name string) row {
	rest := append([]byte(`,"type":"regions","attributes":{"name":`), appendString(nil, name)...)
	id := crc32.ChecksumIEEE([]byte(name))

	return row{id: strconv.FormatUint(uint64(id), 10), rest: append(rest, `,"country-name":null}}`...)}
}
