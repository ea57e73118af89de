package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
)

// SyncStore reads syncs and takes the decisions on them that nothing has to be done for.
type SyncStore interface {
	SyncReader
	// CancelSync answers [errs.NotFound] or [errs.SyncEnded].
	CancelSync(ctx context.Context, accountID, id string, by event.Actor) (orgsync.Sync, error)
	// RejectRemovals answers as [SyncService.Release].
	RejectRemovals(ctx context.Context, accountID, id string, by event.Actor) (orgsync.Sync, error)
}

// SyncReader reads syncs and their changes.
type SyncReader interface {
	// Sync answers [errs.NotFound] when the account has no such sync.
	Sync(ctx context.Context, accountID, id string) (orgsync.Sync, error)
	Syncs(ctx context.Context, accountID string, f orgsync.Filter) (page.Page[orgsync.Sync], error)
	CountSyncs(ctx context.Context, accountID string, f orgsync.Filter) (int, error)
	// SyncChanges answers [errs.NotFound] when the account has no such sync.
	SyncChanges(ctx context.Context, accountID, syncID string, f orgsync.ChangeFilter) (page.Page[orgsync.Change], error)
	CountSyncChanges(ctx context.Context, accountID, syncID string, f orgsync.ChangeFilter) (int, error)
}

// SyncService has syncs done.
type SyncService interface {
	// Start returns the account's queued or running sync with started false when there is one. It answers [errs.NotConnected].
	Start(ctx context.Context, accountID string, kind orgsync.Kind, by event.Actor) (sync orgsync.Sync, started bool, err error)
	// Release has held removals made. It answers [errs.NotFound], [errs.NotHeld], [errs.NotConnected], [errs.SyncActive] or
	// [errs.HeldSetChanged].
	Release(ctx context.Context, accountID, id string, by event.Actor) (orgsync.Sync, error)
	// Refresh syncs one organization at once. It answers [errs.NotFound], [errs.NotConnected], [errs.NotMapped], [errs.Conflict] or
	// an IT Glue code.
	Refresh(ctx context.Context, accountID, organizationID string, by event.Actor) (mapping.Row, error)
}

// listSyncs lists syncs, newest first.
//
// @Summary List syncs, newest first
// @Description Syncs of all kinds, also those that are queued or running.
// @ID listSyncs
// @Tags Syncs
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Param kind query string false "Only syncs of this kind" Enums(initial, daily, manual, preview, organization)
// @Param status query string false "Only syncs in this status" Enums(queued, running, succeeded, held, failed, cancelled)
// @Param limit query integer false "Most rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "`nextCursor` of the page before; all filters have to stay the same"
// @Param count query boolean false "Include the total count" default(false)
// @Success 200 {object} list[syncDTO] "One page of syncs"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Router /syncs [get]
func (s *server) listSyncs(c echo.Context) error {
	q := newQuery(c)
	f := orgsync.Filter{
		Kind:   orgsync.Kind(q.oneOf("kind", "initial", "daily", "manual", "preview", "organization")),
		Status: orgsync.Status(q.oneOf("status", "queued", "running", "succeeded", "held", "failed", "cancelled")),
		Limit:  q.limit(),
	}
	f.After = q.after(atID)
	counted := q.count()
	if err := q.err(); err != nil {
		return err
	}
	ctx, id := c.Request().Context(), accountID(c)
	rows, err := s.Syncs.Syncs(ctx, id, f)
	if err != nil {
		return err
	}
	n, err := total(counted, func() (int, error) { return s.Syncs.CountSyncs(ctx, id, f) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list[syncDTO]{Items: toSyncs(rows.Items), NextCursor: q.next(rows.Next), Total: n})
}

// startSync starts a sync unless one is under way.
//
// @Summary Start a sync
// @Description A sync runs in the background: read `/syncs/{syncId}`, the `Location` of the answer, to follow it. A `preview` lists
// @Description IT Glue and records the changes as planned, without making them. An account has one sync at a time: while one is queued
// @Description or running, the answer is 200 with that one, whatever its kind.
// @ID startSync
// @Tags Syncs
// @Accept json
// @Security BearerAuth[admin]
// @Param request body startSyncRequest true "The kind of sync to start"
// @Success 200 {object} syncDTO "The sync that is queued or running already; none was started"
// @Header 200 {string} Location "Address of the sync"
// @Success 202 {object} syncDTO "The new sync, queued"
// @Header 202 {string} Location "Address of the sync"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 409 {object} Problem "`not-connected`: the account is not connected to IT Glue."
// @Router /syncs [post]
func (s *server) startSync(c echo.Context) error {
	var body startSyncRequest
	if err := s.bind(c, &body); err != nil {
		return err
	}
	sync, started, err := s.SyncService.Start(c.Request().Context(), accountID(c), orgsync.Kind(body.Kind), actor(c))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if started {
		status = http.StatusAccepted
	}
	return answerLocatedSync(c, status, sync)
}

func answerLocatedSync(c echo.Context, status int, sync orgsync.Sync) error {
	c.Response().Header().Set(echo.HeaderLocation, base+"/syncs/"+sync.ID)
	return answerShown(c, status, toSync(sync))
}

// resumeSync answers, as it is by now, the sync that the fact was about.
func (s *server) resumeSync(fact event.Type, status int) resumption {
	return func(c echo.Context, done []idempotency.Effect) (bool, error) {
		did, ok := find(done, fact)
		if !ok {
			return false, nil
		}
		sync, err := s.Syncs.Sync(c.Request().Context(), accountID(c), did.SyncID)
		if err != nil {
			return true, err
		}
		if status == http.StatusAccepted {
			return true, answerLocatedSync(c, status, sync)
		}
		return true, answerShown(c, status, toSync(sync))
	}
}

// getSync reads one sync.
//
// @Summary Read a sync
// @Description Read again until `finishedAt` is not null, to follow a sync. `progress` tells how far it is.
// @ID getSync
// @Tags Syncs
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Param syncId path string true "Id of the sync" format(uuid)
// @Success 200 {object} syncDTO "The sync"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Router /syncs/{syncId} [get]
func (s *server) getSync(c echo.Context) error {
	id, err := pathID(c, "syncId")
	if err != nil {
		return err
	}
	sync, err := s.Syncs.Sync(c.Request().Context(), accountID(c), id)
	if err != nil {
		return err
	}
	return answerShown(c, http.StatusOK, toSync(sync))
}

// streamSync tells how far a sync is until it has ended.
//
// @Summary Follow a sync until it has ended
// @Description Server-sent events, as browsers know them. The `data` of each is the `Sync` as `GET /syncs/{syncId}` shows it, first as it
// @Description is now, then whenever it is another. Those of a sync that has not ended are of the type `progress`; the last one is `ended`,
// @Description its `status` says how, and the stream closes. Comments keep the connection alive.
// @Description
// @Description The stream also ends when the node does, when the database is away, and soon after the token is revoked or expires: follow
// @Description again, on any node, with the `id` that came last as `Last-Event-ID`, and what was seen does not come again. When nothing is
// @Description to follow, the answer is 204, which has browsers not try again.
// @ID streamSync
// @Tags Syncs
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Produce text/event-stream
// @Param syncId path string true "Id of the sync" format(uuid)
// @Param Last-Event-ID header string false "`id` of the last message that was seen" minlength(24) maxlength(24)
// @Success 200 {string} string "The sync, again and again"
// @Success 204 "The sync has ended, and `Last-Event-ID` says that this was seen"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 406 {object} Problem "`not-acceptable`: the Accept header does not admit `text/event-stream`."
// @Failure 422 {object} Problem "`validation-failed`: `Last-Event-ID` is not the `id` of a message of such a stream. Or the request has query parameters or a body, although it takes none."
// @Failure 429 {object} Problem "`quota-exceeded`: the token has made too many requests, it or its account follows too many streams of this node, or the client's address has shown too many bad tokens."
// @Header 429 {integer} Retry-After "Seconds to wait"
// @Failure 503 {object} Problem "`unavailable`: the request cannot be served at the moment, or this node has as many streams as it can."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Router /syncs/{syncId}/events [get]
func (s *server) streamSync(c echo.Context) error {
	id, err := pathID(c, "syncId")
	if err != nil {
		return err
	}
	seen, err := lastEvent(c, isTag)
	if err != nil {
		return err
	}
	return s.stream(c, func(ctx context.Context) ([]message, progress, error) {
		sync, err := s.Syncs.Sync(ctx, accountID(c), id)
		if err != nil {
			return nil, over, err
		}
		news, at, err := syncNews(sync, seen)
		if len(news) > 0 {
			seen = news[0].id
		}
		return news, at, err
	})
}

// syncNews is a sync for a client that has seen it as the tag says.
func syncNews(sync orgsync.Sync, seen string) (news []message, at progress, err error) {
	kind, at := "progress", waiting
	if sync.Status.Final() {
		kind, at = "ended", over
	}
	shown, err := json.Marshal(toSync(sync))
	if err != nil {
		return nil, over, err
	}
	if tag := strings.Trim(tagOf(shown), `"`); tag != seen {
		news = []message{{id: tag, event: kind, data: json.RawMessage(shown)}}
	}
	return news, at, nil
}

// cancelSync stops a sync.
//
// @Summary Cancel a sync
// @Description Stops a queued or running sync. From the answer on it changes nothing more, and another one can be started. What it did
// @Description until then stays and is counted. To cancel a sync that is cancelled already has no effect.
// @Description
// @Description Released removals that have not been made yet stay undone: the next sync asks again.
// @ID cancelSync
// @Tags Syncs
// @Security BearerAuth[admin]
// @Param syncId path string true "Id of the sync" format(uuid)
// @Success 200 {object} syncDTO "The sync, cancelled"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 409 {object} Problem "`sync-ended`: the sync has come to its end."
// @Router /syncs/{syncId}/cancel [post]
func (s *server) cancelSync(c echo.Context) error {
	id, err := pathID(c, "syncId")
	if err != nil {
		return err
	}
	ifMatch(c, toSync)
	sync, err := s.Syncs.CancelSync(c.Request().Context(), accountID(c), id, actor(c))
	if err != nil {
		return err
	}
	return answerShown(c, http.StatusOK, toSync(sync))
}

// releaseRemovals has held removals made.
//
// @Summary Release held removals
// @Description Decides that the removals held by this sync are to be made: read them beforehand, as the changes of the sync in the
// @Description status `held`. The sync is queued again and asks IT Glue for each of the organizations once more. Where IT Glue says that
// @Description it is gone, the mapping is removed, whatever `removalLimitPercent` is; any other change is refused, with its reason. Then
// @Description the sync has `succeeded`. When IT Glue cannot be asked, the sync is `held` again with what is left, and `error` tells why.
// @Description
// @Description Only the last sync of the whole account can be decided on, once, and only while all of its held mappings are active and as
// @Description they were, and the API key and region are those that it ran with. Otherwise start a new sync.
// @ID releaseRemovals
// @Tags Syncs
// @Security BearerAuth[admin]
// @Param syncId path string true "Id of the sync" format(uuid)
// @Success 202 {object} syncDTO "The sync, queued again"
// @Header 202 {string} Location "Address of the sync"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 409 {object} Problem "`not-held`: no removals of this sync wait for a decision, or it was taken already. `not-connected`: the account is not connected to IT Glue. `sync-active`: another sync is queued or running, named in `params.syncId`."
// @Failure 412 {object} Problem "`held-set-changed`: a later sync, or another API key or region, has taken the place of this one, or a mapping was changed since; nothing was done."
// @Router /syncs/{syncId}/release [post]
func (s *server) releaseRemovals(c echo.Context) error {
	id, err := pathID(c, "syncId")
	if err != nil {
		return err
	}
	ifMatch(c, toSync)
	sync, err := s.SyncService.Release(c.Request().Context(), accountID(c), id, actor(c))
	if err != nil {
		return err
	}
	return answerLocatedSync(c, http.StatusAccepted, sync)
}

// rejectRemovals has held removals not made.
//
// @Summary Reject held removals
// @Description Decides that the mappings stay: the removals held by this sync are refused as `rejected-by-person`, and the sync has
// @Description `succeeded`. The next sync asks again if the organizations are still missing in IT Glue; to keep an organization out of
// @Description that, pause its mapping.
// @Description
// @Description Only the last sync of the whole account can be decided on, once, and only while the API key and region are those that it ran
// @Description with. It does not matter whether mappings were changed since.
// @ID rejectRemovals
// @Tags Syncs
// @Security BearerAuth[admin]
// @Param syncId path string true "Id of the sync" format(uuid)
// @Success 200 {object} syncDTO "The sync, succeeded"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 409 {object} Problem "`not-held`: no removals of this sync wait for a decision, or it was taken already. `not-connected`: the account is not connected to IT Glue. `sync-active`: another sync is queued or running, named in `params.syncId`."
// @Failure 412 {object} Problem "`held-set-changed`: a later sync, or another API key or region, has taken the place of this one; nothing was done."
// @Router /syncs/{syncId}/reject [post]
func (s *server) rejectRemovals(c echo.Context) error {
	id, err := pathID(c, "syncId")
	if err != nil {
		return err
	}
	ifMatch(c, toSync)
	sync, err := s.Syncs.RejectRemovals(c.Request().Context(), accountID(c), id, actor(c))
	if err != nil {
		return err
	}
	return answerShown(c, http.StatusOK, toSync(sync))
}

// listSyncChanges lists what a sync did, would do or refused to do.
//
// @Summary List the changes of a sync
// @Description What the sync did, would do (as a preview) or did not do, with the reason. Organizations that needed no change are
// @Description not listed.
// @ID listSyncChanges
// @Tags Syncs
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Param syncId path string true "Id of the sync" format(uuid)
// @Param action query string false "Only this action" Enums(map, rename, unmap, skip)
// @Param status query string false "Only changes in this status" Enums(planned, applied, held, refused)
// @Param limit query integer false "Most rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "`nextCursor` of the page before; all filters have to stay the same"
// @Param count query boolean false "Include the total count" default(false)
// @Success 200 {object} list[changeDTO] "One page of changes, in the order of `seq`"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Router /syncs/{syncId}/changes [get]
func (s *server) listSyncChanges(c echo.Context) error {
	id, err := pathID(c, "syncId")
	if err != nil {
		return err
	}
	q := newQuery(c)
	f := orgsync.ChangeFilter{
		Action: orgsync.Action(q.oneOf("action", "map", "rename", "unmap", "skip")),
		Status: orgsync.ChangeStatus(q.oneOf("status", "planned", "applied", "held", "refused")),
		Limit:  q.limit(),
	}
	f.After = q.after(atNumber)
	counted := q.count()
	if err := q.err(); err != nil {
		return err
	}
	return s.answerChanges(c, q, id, f, counted)
}

func (s *server) answerChanges(c echo.Context, q *query, id string, f orgsync.ChangeFilter, counted bool) error {
	ctx, owner := c.Request().Context(), accountID(c)
	rows, err := s.Syncs.SyncChanges(ctx, owner, id, f)
	if err != nil {
		return err
	}
	n, err := total(counted, func() (int, error) { return s.Syncs.CountSyncChanges(ctx, owner, id, f) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list[changeDTO]{Items: toChanges(rows.Items), NextCursor: q.next(rows.Next), Total: n})
}
