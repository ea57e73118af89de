package organization

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// domainReads is how many organizations' domains an import reads at the same time.
const domainReads = 4

// Item is an IT Glue organization to be imported. Domain nil means the only usable one that IT Glue has.
type Item struct {
	ITGlueID      string
	Domain        *string
	EmailPlatform EmailPlatform
}

// Outcome is what became of an item: Organization, or Failure when that is not nil. Candidates are the domains to choose from when the
// failure is [errs.DomainRequired].
type Outcome struct {
	ITGlueID     string
	Organization Organization
	Failure      *errs.Error
	Candidates   []Offer
}

// Import adds IT Glue organizations under their names there, each mapped and for itself: wholly or not at all, whatever becomes of the
// others. It goes through the items one after the other, so that of two for the same IT Glue organization the second finds it mapped.
// What could not be read in time fails with [errs.ITGlueTimeout]; sent again, it costs no more than what is missing.
//
// A failure is [errs.ValidationFailed] for a bad domain or a name that cannot be taken over, [errs.DomainRequired], [errs.DomainTaken],
// [errs.AlreadyMapped], [errs.NotFound] when IT Glue has no such organization, an IT Glue code, or what befell the database or the
// connection.
//
// Import itself answers [errs.NotConnected], or an IT Glue code when the organizations could not be read; then nothing was done. When
// nobody waits for the answer any more, it leaves out the items that it has not come to and returns [context.Canceled].
func (s *Service) Import(ctx context.Context, accountID string, items []Item, by event.Actor) ([]Outcome, error) {
	im, err := s.prepare(ctx, accountID, items)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(items))
	for i, item := range items {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		outcomes[i] = im.outcome(ctx, item, by)
	}
	return outcomes, nil
}

// importing is an import after all has been read.
type importing struct {
	*Service

	accountID  string
	connection integration.Integration
	entries    map[string]integration.DirectoryEntry
	mapped     map[string]*errs.Error
	choices    map[string]readChoice
}

// readChoice is what came of reading the domains of an IT Glue organization.
type readChoice struct {
	choices []DomainChoice
	failure *errs.Error
}

func (s *Service) prepare(ctx context.Context, accountID string, items []Item) (*importing, error) {
	client, in, err := s.Connections.Client(ctx, accountID)
	if err != nil {
		return nil, err
	}
	im := &importing{Service: s, accountID: accountID, connection: in}
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = item.ITGlueID
	}
	glueCtx, cancel := s.patience(ctx)
	defer cancel()
	if im.entries, err = readEntries(glueCtx, client, ids); err != nil {
		return nil, err
	}
	if im.mapped, err = s.Store.AlreadyMapped(ctx, accountID, ids); err != nil {
		return nil, err
	}
	im.choices = readAllChoices(glueCtx, client, im.undecided(items))
	return im, ctx.Err()
}

func readEntries(ctx context.Context, client *itglue.Client, ids []string) (map[string]integration.DirectoryEntry, error) {
	organizations, err := client.OrganizationsByID(ctx, ids)
	if itglue.IsNotFound(err) { // whatever answers there has no list of organizations
		err = errs.New(errs.ITGlueBadAnswer, "IT Glue gave an answer that cannot be understood.").Because(err)
	}
	if err != nil {
		return nil, integration.FromITGlue(err)
	}
	entries := make(map[string]integration.DirectoryEntry, len(organizations))
	for _, o := range organizations {
		entries[o.ID] = integration.Entry(o)
	}
	return entries, nil
}

// undecided returns the IT Glue organizations that would be imported if only their domain were known.
func (im *importing) undecided(items []Item) (ids []string) {
	asked := make(map[string]bool, len(items))
	for _, item := range items {
		id := item.ITGlueID
		entry, found := im.entries[id]
		if item.Domain == nil && found && im.mapped[id] == nil && !asked[id] && len(nameFaults(entry.Name)) == 0 {
			asked[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// readAllChoices reads the domains of IT Glue organizations, a few at a time. Once IT Glue refuses the key or more requests, the rest
// shares that failure without being asked for.
func readAllChoices(ctx context.Context, client *itglue.Client, ids []string) map[string]readChoice {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	reads := make([]readChoice, len(ids))
	var (
		next    atomic.Int64
		readers sync.WaitGroup
	)
	for range min(domainReads, len(ids)) {
		readers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(ids)); i = next.Add(1) - 1 {
				choices, err := readChoices(ctx, client, ids[i])
				reads[i] = readChoice{choices: choices, failure: readFailure(ctx, err)}
				if kind := itglue.KindOf(err); kind == itglue.KindRejectedKey || kind == itglue.KindRateLimited {
					stop(err)
				}
			}
		})
	}
	readers.Wait()
	all := make(map[string]readChoice, len(ids))
	for i, id := range ids {
		all[id] = reads[i]
	}
	return all
}

// readFailure is the failure of a read under a context that may have been stopped.
func readFailure(ctx context.Context, err error) *errs.Error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); itglue.KindOf(cause) != "" {
		err = cause
	}
	return integration.FromITGlue(err)
}

func (im *importing) outcome(ctx context.Context, item Item, by event.Actor) Outcome {
	out := Outcome{ITGlueID: item.ITGlueID}
	o, err := im.add(ctx, item, by)
	if err == nil {
		out.Organization = o
		return out
	}
	if errs.Is(err, errs.DomainRequired) {
		out.Candidates, err = im.candidates(ctx, item, err)
	}
	out.Failure = im.failure(ctx, item, err)
	return out
}

func (im *importing) add(ctx context.Context, item Item, by event.Actor) (Organization, error) {
	from := Source{Entry: im.entries[item.ITGlueID], Connection: im.connection}
	if from.Entry.ID == "" {
		return Organization{}, errs.New(errs.NotFound, "IT Glue has no such organization.")
	}
	if mapped := im.mapped[item.ITGlueID]; mapped != nil {
		return Organization{}, mapped
	}
	if faults := sourceFaults(from); len(faults) > 0 {
		return Organization{}, errs.Invalid(faults...)
	}
	domain, err := im.domain(item)
	if err != nil {
		return Organization{}, err
	}
	n, faults := New{ITGlueID: item.ITGlueID, Domain: domain, EmailPlatform: item.EmailPlatform}.checked()
	if len(faults) > 0 {
		return Organization{}, errs.Invalid(faults...)
	}
	return im.addFrom(ctx, im.accountID, n, from, by)
}

func (im *importing) domain(item Item) (string, error) {
	if item.Domain != nil {
		return *item.Domain, nil
	}
	read := im.choices[item.ITGlueID]
	if read.failure != nil {
		return "", read.failure
	}
	domain, ok := OnlyDomain(read.choices)
	if !ok {
		return "", errs.New(errs.DomainRequired, "IT Glue does not have exactly one usable domain for this organization. Name the domain.")
	}
	return domain, nil
}

// candidates returns the domains to choose from, and the reason for choosing unless there is a worse one.
func (im *importing) candidates(ctx context.Context, item Item, reason error) ([]Offer, error) {
	offers, err := im.offers(ctx, im.accountID, im.choices[item.ITGlueID].choices)
	if err != nil {
		return nil, err
	}
	return offers, reason
}

// failure is an error as an item is told it. What is nobody's business but the operator's goes to the log.
func (im *importing) failure(ctx context.Context, item Item, err error) *errs.Error {
	if failure, ok := errors.AsType[*errs.Error](err); ok && failure.Code != errs.Internal {
		return failure
	}
	im.Logger.ErrorContext(ctx, "an item of an import failed",
		"accountId", im.accountID, "itglueOrganizationId", item.ITGlueID, "error", err)
	return errs.New(errs.Internal, "Something went wrong with this item.")
}
