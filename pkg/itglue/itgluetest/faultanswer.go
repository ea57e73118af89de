package itgluetest

import (
	"cmp"
	"net/http"
	"slices"
)

const (
	loginPage  = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form></form></body></html>\n"
	otherShape = `{"organizations":[{"id":1,"name":"Not JSON:API"}],"page":1}`
)

// replacement returns the answer of the fault that takes the place of the
// right one. It also runs what faults want to have done first.
func (x *exchange) replacement() (answer, bool) {
	for _, f := range x.faults {
		if f.Do != nil {
			f.Do()
		}
	}

	f, ok := x.fault(replacingKinds()...)
	if !ok {
		return answer{}, false
	}

	switch f.Kind {
	case FaultStatus:
		return x.statusAnswer(f), true
	case FaultTookTooLong:
		return x.fail(cmp.Or(f.Status, http.StatusInternalServerError),
			"The request took too long to process and timed out."), true
	case FaultRedirect:
		return answer{
			status: cmp.Or(f.Status, http.StatusFound),
			header: http.Header{"Location": {f.Location}, "Content-Type": {mediaTypeHTML}},
		}, true
	case FaultHTML:
		return htmlAnswer(http.StatusOK, loginPage), true
	case FaultOtherJSON:
		return apiAnswer(http.StatusOK, []byte(cmp.Or(f.Body, otherShape))), true
	default: // a body that deliver makes, or none
		return apiAnswer(http.StatusOK, nil), true
	}
}

func (x *exchange) statusAnswer(f Fault) answer {
	reason := http.StatusText(f.Status)

	var made answer

	switch f.Style {
	case BodyMessage:
		made = gatewayAnswer(f.Status, reason)
	case BodyHTML:
		made = htmlAnswer(f.Status, "<html><head><title>"+reason+"</title></head><body><h1>"+reason+"</h1></body></html>\n")
	case BodyEmpty:
		made = apiAnswer(f.Status, nil)
	case BodyRaw:
		made = apiAnswer(f.Status, []byte(f.Body))
	case BodyErrors:
		made = x.fail(f.Status, f.Body)
	default:
		made = x.fail(f.Status, f.Body)
	}

	if f.RetryAfter != "" {
		made.header.Set("Retry-After", f.RetryAfter)
	}

	return made
}

func htmlAnswer(status int, body string) answer {
	return answer{status: status, header: http.Header{"Content-Type": {mediaTypeHTML}}, body: []byte(body)}
}

// servedPage is the page that is answered with when number is asked for.
func (x *exchange) servedPage(number int) int {
	if f, ok := x.fault(FaultCurrentPage); ok {
		return max(f.Count, 1)
	}

	return number
}

// distort applies the faults of the content to an index.
func (x *exchange) distort(built *index) {
	for _, f := range x.faults {
		switch f.Kind {
		case FaultTotalCount:
			built.totalCount += f.Count
		case FaultTotalPages:
			built.totalPages = f.Count
			if built.number >= f.Count {
				built.next = 0
			}
		case FaultNextPageLoop:
			built.next = max(f.Count, 1)
			built.totalPages = max(built.totalPages, built.number+1)
		case FaultMissingRows:
			kept := 0
			if f.Count > 0 {
				kept = max(len(built.rows)-f.Count, 0)
			}

			built.rows = built.rows[:kept]
		case FaultIDsAsNumbers:
			built.rawIDs = true
		case FaultOddID:
			if len(built.rows) > 0 {
				built.rows[0].raw = f.Body
			}
		default:
		}
	}
}

// duplicate is FaultDuplicateRow. The records may be shared and are copied.
func (x *exchange) duplicate(records []*record) []*record {
	f, ok := x.fault(FaultDuplicateRow)
	if !ok || len(records) < 2 {
		return records
	}

	twin := records[0].clone()
	twin.Name = cmp.Or(f.Name, twin.Name)

	records = slices.Clone(records)
	records[len(records)-1] = twin

	return records
}
