package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/page"
)

// EventStore reads events.
type EventStore interface {
	Events(ctx context.Context, accountID string, f event.Filter) (page.Page[event.Event], error)
	CountEvents(ctx context.Context, accountID string, f event.Filter) (int, error)
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
