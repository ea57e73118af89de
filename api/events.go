package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/page"
)

// EventStore reads events.
type EventStore interface {
	Events(ctx context.Context, accountID string, f event.Filter) (page.Page[event.Event], error)
	CountEvents(ctx context.Context, accountID string, f event.Filter) (int, error)
	// LastEvent is the number of the newest event, 0 before the first.
	LastEvent(ctx context.Context, accountID string) (int64, error)
	// EventsAfter returns events after a number, oldest first, and the number that they reach to.
	EventsAfter(ctx context.Context, accountID string, after int64, limit int) (events []event.Event, reached int64, err error)
}

// listEvents lists events, newest first.
//
// @Summary List events, newest first
// @Description All that happened in the account: who did what and when, and what it was before and after. These are the notifications
// @Description of the screens and the audit trail. Events are written with what they tell of and never change; they stay when what
// @Description they tell of is deleted.
// @ID listEvents
// @Tags Events
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Param type query string false "Only events of this type" Enums(account.created, token.created, token.revoked, integration.connected, integration.changed, integration.deactivated, integration.credentials-rejected, integration.credentials-accepted, daily-sync.paused, daily-sync.resumed, daily-sync.missed, organization.created, organization.renamed, organization.changed, organization.deleted, mapping.mapped, mapping.unmapped, mapping.paused, mapping.resumed, sync.queued, sync.succeeded, sync.held, sync.failed, sync.cancelled, removals.released, removals.rejected)
// @Param organizationId query string false "Only events of this organization, also of a deleted one" format(uuid)
// @Param limit query integer false "Most rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "`nextCursor` of the page before; all filters have to stay the same"
// @Param count query boolean false "Include the total count" default(false)
// @Success 200 {object} list[eventDTO] "One page of events"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Router /events [get]
func (s *server) listEvents(c echo.Context) error {
	q := newQuery(c)
	f := event.Filter{
		Type: event.Type(q.oneOf("type", texts(event.Types())...)), OrganizationID: q.id("organizationId"), Limit: q.limit(),
	}
	f.After = q.after(atSequence)
	counted := q.count()
	if err := q.err(); err != nil {
		return err
	}
	ctx, id := c.Request().Context(), accountID(c)
	rows, err := s.Events.Events(ctx, id, f)
	if err != nil {
		return err
	}
	n, err := total(counted, func() (int, error) { return s.Events.CountEvents(ctx, id, f) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list[eventDTO]{Items: toEvents(rows.Items), NextCursor: q.next(rows.Next), Total: n})
}

// streamEvents tells of events as they happen.
//
// @Summary Follow the events as they happen
// @Description Server-sent events, as browsers know them. The `data` of each is an `Event`, as `GET /events` lists it, and its `id` is the
// @Description event's `sequence`. They come oldest first, each one once. Comments keep the connection alive.
// @Description
// @Description Without `Last-Event-ID` the stream begins with what happens from now on; a message without data tells at once which `id`
// @Description that is. With it, the stream begins with the first event after that one, however long ago it was: `0` is before the
// @Description first of all. To show a list and keep it up to date, read `GET /events` and follow from the `sequence` of its first item.
// @Description
// @Description The stream ends when the node does, when the database is away, and soon after the token is revoked or expires: follow again
// @Description with the `id` that came last, on any node.
// @ID streamEvents
// @Tags Events
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Produce text/event-stream
// @Param Last-Event-ID header integer false "`id` of the last event that was seen" minimum(0) maximum(9007199254740991)
// @Success 200 {string} string "The events"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Failure 406 {object} Problem "`not-acceptable`: the Accept header does not admit `text/event-stream`."
// @Failure 422 {object} Problem "`validation-failed`: `Last-Event-ID` is none, or is after the newest event of the account, as that of another account may be. Or the request has query parameters or a body, although it takes none."
// @Failure 429 {object} Problem "`quota-exceeded`: the token has made too many requests, it or its account follows too many streams of this node, or the client's address has shown too many bad tokens."
// @Header 429 {integer} Retry-After "Seconds to wait"
// @Failure 503 {object} Problem "`unavailable`: the request cannot be served at the moment, or this node has as many streams as it can."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Router /events/stream [get]
func (s *server) streamEvents(c echo.Context) error {
	id, err := lastEvent(c, isSequence)
	if err != nil {
		return err
	}
	at := position{events: s.Events, account: accountID(c), from: id}
	return s.stream(c, at.next)
}

// isSequence tells whether a text is a number of an event, or 0.
func isSequence(text string) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && n >= 0 && strconv.FormatInt(n, 10) == text
}

// position is how far a client has followed an account's events.
type position struct {
	events  EventStore
	account string
	from    string // where to begin; empty is now
	begun   bool
	after   int64
}

// next is what happened since.
func (p *position) next(ctx context.Context) ([]message, progress, error) {
	if !p.begun {
		return p.begin(ctx)
	}
	found, reached, err := p.events.EventsAfter(ctx, p.account, p.after, maxLimit)
	if err != nil {
		return nil, over, err
	}
	news := make([]message, 0, len(found))
	for i := range found {
		news = append(news, message{id: strconv.FormatInt(found[i].Sequence, 10), data: toEvent(&found[i])})
	}
	p.after = reached
	if len(found) == maxLimit {
		return news, behind, nil
	}
	return news, waiting, nil
}

// begin finds the position. A number that the account has not come to is none of its own, or from before its database was restored: to
// wait for it could leave events out.
func (p *position) begin(ctx context.Context) ([]message, progress, error) {
	last, err := p.events.LastEvent(ctx, p.account)
	if err != nil {
		return nil, over, err
	}
	p.begun, p.after = true, last
	if p.from == "" {
		return []message{{id: strconv.FormatInt(last, 10)}}, behind, nil
	}
	if p.after, err = strconv.ParseInt(p.from, 10, 64); err != nil || p.after > last {
		return nil, over, invalidLastEvent(faultInvalid, "The account has no event with this number yet. Begin anew.")
	}
	return nil, behind, nil
}
