package itgluetest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// resourceBody is a resource object in a request.
type resourceBody struct {
	Type       string         `json:"type"`
	Attributes map[string]any `json:"attributes"`
}

// attributes returns the attributes by their names in underscore spelling;
// hyphens are accepted as well.
func (b resourceBody) attributes() map[string]any {
	attributes := make(map[string]any, len(b.Attributes))
	for name, value := range b.Attributes {
		attributes[canonical(name)] = value
	}

	return attributes
}

// decode reads {"data": {...}} or {"data": [...]}. Without data, or with no
// JSON at all, it returns nil.
func (x *exchange) decode() []resourceBody {
	var body struct {
		Data json.RawMessage `json:"data"`
	}

	decoder := json.NewDecoder(bytes.NewReader(x.readBody()))
	if decoder.Decode(&body) != nil {
		return nil
	}

	var many []resourceBody
	if unmarshalNumbers(body.Data, &many) == nil {
		return many
	}

	var one resourceBody
	if unmarshalNumbers(body.Data, &one) == nil {
		return []resourceBody{one}
	}

	return nil
}

// unmarshalNumbers keeps numbers as text: ids are too large for a float64.
func unmarshalNumbers(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()

	return decoder.Decode(into)
}

func (x *exchange) badRequest() answer {
	return x.fail(http.StatusBadRequest, "param is missing or the value is empty: data")
}

func (x *exchange) createOrganization() answer {
	bodies := x.decode()
	if len(bodies) != 1 {
		return x.badRequest()
	}

	attributes := bodies[0].attributes()
	if failures := x.validate(attributes, true); len(failures) > 0 {
		return x.failures(http.StatusUnprocessableEntity, failures...)
	}

	var organization Organization

	assign(&organization, attributes)

	id, err := x.server.store.add(organization)
	if err != nil {
		return x.fail(http.StatusUnprocessableEntity, err.Error())
	}

	number, _ := parseID(id)

	created, ok := x.server.store.find(number)
	if !ok {
		return x.notFound()
	}

	return x.document(http.StatusCreated, created)
}

func (x *exchange) updateOrganization(r *record) answer {
	bodies := x.decode()
	if len(bodies) != 1 {
		return x.badRequest()
	}

	attributes := bodies[0].attributes()
	if failures := x.validateUpdate(r, attributes); len(failures) > 0 {
		return x.failures(http.StatusUnprocessableEntity, failures...)
	}

	changed, ok := x.change(r, attributes)
	if !ok {
		return x.notFound()
	}

	return x.document(http.StatusOK, changed)
}

func (x *exchange) change(r *record, attributes map[string]any) (*record, bool) {
	return x.server.store.update(r.id, func(organization *Organization) {
		assign(organization, attributes)
		organization.TypeID, organization.TypeName = x.server.store.types.resolve(organization.TypeID, organization.TypeName)
		organization.StatusID, organization.StatusName = x.server.store.statuses.resolve(
			organization.StatusID, organization.StatusName)
	})
}

// updateOrganizations is the bulk update: an array whose attributes carry the
// id, or one object for all that pass the filters. It changes all or none.
func (x *exchange) updateOrganizations() answer {
	bodies := x.decode()
	if len(bodies) == 0 {
		return x.badRequest()
	}

	targets, bad, ok := x.targets(bodies)
	if !ok {
		return bad
	}

	for _, t := range targets {
		if failures := x.validateUpdate(t.record, t.attributes); len(failures) > 0 {
			return x.failures(http.StatusUnprocessableEntity, failures...)
		}
	}

	var changed []*record

	for _, t := range targets {
		if r, ok := x.change(t.record, t.attributes); ok {
			changed = append(changed, r)
		}
	}

	return x.collection(changed)
}

// destroyOrganizations is the bulk destroy. It answers with what it is going
// to delete.
func (x *exchange) destroyOrganizations() answer {
	var bodies []resourceBody
	if x.hasBody() {
		bodies = x.decode()
	}

	targets, bad, ok := x.targets(bodies)
	if !ok {
		return bad
	}

	var deleted []*record

	for _, t := range targets {
		if x.server.store.remove(t.record.id) {
			deleted = append(deleted, t.record)
		}
	}

	return x.collection(deleted)
}

type target struct {
	record     *record
	attributes map[string]any
}

// targets resolves what a bulk call is about. A call that neither names ids
// nor filters would be about everything, and is refused.
func (x *exchange) targets(bodies []resourceBody) ([]target, answer, bool) {
	if len(x.filters(organizationFilters())) > 0 {
		return x.filteredTargets(bodies)
	}

	var targets []target

	for _, body := range bodies {
		attributes := body.attributes()

		found, ok := x.visible(text(attributes["id"]))
		if !ok {
			return nil, x.notFound(), false
		}

		targets = append(targets, target{found, attributes})
	}

	if len(targets) == 0 {
		return nil, x.badRequest(), false
	}

	return targets, answer{}, true
}

func (x *exchange) filteredTargets(bodies []resourceBody) ([]target, answer, bool) {
	found, err := x.findOrganizations()
	if err != nil {
		return nil, x.fail(http.StatusUnprocessableEntity, err.Error()), false
	}

	var attributes map[string]any
	if len(bodies) > 0 {
		attributes = bodies[0].attributes()
	}

	targets := make([]target, 0, len(found))
	for _, r := range found {
		targets = append(targets, target{r, attributes})
	}

	return targets, answer{}, true
}

func (x *exchange) collection(records []*record) answer {
	buf := []byte(`{"data":[`)

	for i, r := range records {
		if i > 0 {
			buf = append(buf, ',')
		}

		buf = appendRow(buf, organizationRow(r), false)
	}

	return apiAnswer(http.StatusOK, append(buf, `]}`...))
}

func (x *exchange) validateUpdate(r *record, attributes map[string]any) []apiError {
	if r.PSAIntegration == "" {
		return x.validate(attributes, false)
	}

	// The PSA always wins: what it owns cannot be changed here.
	for name := range attributes {
		switch name {
		case "id", "alert", "description", "quick_notes":
		default:
			return []apiError{invalid(name, "cannot be changed on a synced organization")}
		}
	}

	return nil
}

func (x *exchange) validate(attributes map[string]any, creating bool) []apiError {
	var failures []apiError

	name, given := attributes["name"]
	if (given || creating) && strings.TrimSpace(text(name)) == "" {
		failures = append(failures, invalid("name", "can't be blank"))
	}

	if id := number(attributes["organization_type_id"]); id != 0 {
		if _, ok := x.server.store.types.find(id); !ok {
			failures = append(failures, invalid("organization-type", "must exist"))
		}
	}

	if id := number(attributes["organization_status_id"]); id != 0 {
		if _, ok := x.server.store.statuses.find(id); !ok {
			failures = append(failures, invalid("organization-status", "must exist"))
		}
	}

	return failures
}

func invalid(attribute, detail string) apiError {
	return apiError{
		Status: http.StatusUnprocessableEntity,
		Title:  http.StatusText(http.StatusUnprocessableEntity),
		Detail: detail,
		Source: &errorSource{Pointer: "/data/attributes/" + strings.ReplaceAll(attribute, "_", "-")},
	}
}

// assign copies the documented attributes; others are ignored.
func assign(organization *Organization, attributes map[string]any) {
	texts := map[string]*string{
		"name": &organization.Name, "short_name": &organization.ShortName,
		"alert": &organization.Alert, "description": &organization.Description,
		"quick_notes": &organization.QuickNotes, "parent_id": &organization.ParentID,
	}
	for name, field := range texts {
		if value, ok := attributes[name]; ok {
			*field = text(value)
		}
	}

	if value, ok := attributes["organization_type_id"]; ok {
		organization.TypeID, organization.TypeName = number(value), ""
	}

	if value, ok := attributes["organization_status_id"]; ok {
		organization.StatusID, organization.StatusName = number(value), ""
	}
}

func text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	default:
		return ""
	}
}

func number(value any) int {
	n, _ := strconv.Atoi(text(value))

	return n
}
