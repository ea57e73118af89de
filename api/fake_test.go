package api_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/event"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/live"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

const (
	accountA = "0198c5d0-0000-7000-8000-00000000000a"
	accountB = "0198c5d0-0000-7000-8000-00000000000b"
	orgID    = "0198c5d0-0000-7000-8000-000000000001"
	syncID   = "0198c5d0-0000-7000-8000-000000000002"
	tokenID  = "0198c5d0-0000-7000-8000-000000000003"
	noID     = "0198c5d0-0000-7000-8000-0000000000ff"
)

func noon() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.FixedZone("CET", 3600)) }

// fake stands behind the edge: it knows one organization and one sync, answers fixed rows, and remembers what it was asked. A hook, if
// there is one, runs first in every method and may fail or panic.
type fake struct {
	mu    sync.Mutex
	calls []string
	args  []any
	hook  func(ctx context.Context, method string) error

	in     integration.Integration
	row    mapping.Row
	next   *page.Position
	start  bool
	active *orgsync.Sync
	last   *orgsync.Sync
	test   integration.TestResult

	imported []organization.Outcome
	claim    idempotency.Claim
}

func newFake() *fake {
	at := noon()
	return &fake{
		in: integration.Integration{
			AccountID: accountA, ID: tokenID, Region: itglue.RegionEU, APIKeyHint: "9f3c", ConnectedAt: at,
			AutoMap: integration.OnConnect, RemovalLimitPercent: 10, ListedAt: &at,
			Daily: integration.DailySync{Enabled: true, TimeZone: "America/New_York", Time: "00:00", NextDate: "2026-02-01", NextRunAt: &at},
		},
		row: mapping.Row{
			OrganizationID: orgID, OrganizationName: "Contoso", OrganizationDomain: "contoso.com", State: mapping.Active,
			ITGlueID: "42", ITGlueName: "Contoso Ltd", Origin: mapping.OriginAuto, MappedAt: &at, LastSyncedAt: &at,
		},
		start: true,
		test:  integration.TestResult{OK: true, Organizations: 123},
	}
}

func (f *fake) call(ctx context.Context, method string, args ...any) error {
	f.mu.Lock()
	f.calls, f.args = append(f.calls, method), append(f.args, args...)
	hook := f.hook
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(ctx, method)
}

// called tells which methods were called besides authentication.
func (f *fake) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.calls...)
}

func (f *fake) lastArg() any { return f.argFromEnd(0) }

// argFromEnd is the last argument, or one so many places before it.
func (f *fake) argFromEnd(places int) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.args[len(f.args)-1-places]
}

func known(id, wanted string) error {
	if id != wanted {
		return errs.New(errs.NotFound, "There is no %s.", id)
	}
	return nil
}

// Authenticate knows one token for each role in account A, called as the role, and an admin of account B.
func (*fake) Authenticate(_ context.Context, secret string) (account.Principal, error) {
	p := account.Principal{
		Token:   account.Token{ID: tokenID, AccountID: accountA, Role: account.Role(secret), Name: "Nightly", Hint: "ob_4fJk", CreatedAt: noon()},
		Account: account.Account{ID: accountA, Name: "Northwind", CreatedAt: noon()},
	}
	switch secret {
	case "viewer", "admin":
	case "operator":
		p.Account, p.Token.AccountID = account.Account{}, ""
	case "admin-b":
		p.Token.Role, p.Token.AccountID, p.Account = account.Admin, accountB, account.Account{ID: accountB, Name: "Other"}
	default:
		return account.Principal{}, errs.New(errs.Unauthenticated, "The token expired.")
	}
	return p, nil
}

func oneToken() account.Token {
	at := noon()
	return account.Token{
		ID: tokenID, AccountID: accountA, Role: account.Viewer, Name: "Nightly", Hint: "orgb_4fJk", CreatedAt: at, ExpiresAt: &at, LastUsedAt: &at,
	}
}

func (f *fake) Token(ctx context.Context, accountID, id string) (account.Token, error) {
	return oneToken(), errors.Join(f.call(ctx, "Token", accountID, id), known(id, tokenID))
}

func (f *fake) Tokens(ctx context.Context, accountID string, filter account.Filter) (page.Page[account.Token], error) {
	return page.Page[account.Token]{Items: []account.Token{oneToken()}, Next: f.next}, f.call(ctx, "Tokens", accountID, filter)
}

func (f *fake) CountTokens(ctx context.Context, accountID string) (int, error) {
	return 1, f.call(ctx, "CountTokens", accountID)
}

func (f *fake) RevokeToken(ctx context.Context, accountID, id string, by event.Actor) error {
	return errors.Join(f.call(ctx, "RevokeToken", accountID, id, by), known(id, tokenID))
}

func (f *fake) CreateToken(ctx context.Context, n account.NewToken, by event.Actor) (account.Token, string, error) {
	return oneToken(), secretCanary, errors.Join(f.call(ctx, "CreateToken", n, by), known(n.AccountID, accountA))
}

func (f *fake) Account(ctx context.Context, id string) (account.Account, error) {
	return oneAccount(), errors.Join(f.call(ctx, "Account", id), known(id, accountA))
}

func oneAccount() account.Account {
	return account.Account{ID: accountA, Name: "Northwind", CreatedAt: noon()}
}

func (f *fake) Accounts(ctx context.Context, filter account.Filter) (page.Page[account.Account], error) {
	return page.Page[account.Account]{Items: []account.Account{oneAccount()}, Next: f.next}, f.call(ctx, "Accounts", filter)
}

func (f *fake) CountAccounts(ctx context.Context) (int, error) {
	return 1, f.call(ctx, "CountAccounts")
}

func (f *fake) CreateAccount(ctx context.Context, name string, by event.Actor) (account.Account, error) {
	return oneAccount(), f.call(ctx, "CreateAccount", name, by)
}

func (f *fake) Integration(ctx context.Context, accountID string) (integration.Integration, error) {
	return f.in, f.call(ctx, "Integration", accountID)
}

func (f *fake) DirectoryRows(
	ctx context.Context, accountID string, filter integration.DirectoryFilter,
) (page.Page[integration.DirectoryRow], error) {
	rows := []integration.DirectoryRow{
		{DirectoryEntry: integration.DirectoryEntry{ID: "42", Name: "Contoso Ltd", ShortName: "CTS", TypeName: "Customer", StatusName: "Active"}},
		{DirectoryEntry: integration.DirectoryEntry{ID: "43", Name: "Us", Primary: true}, MappedOrganizationID: orgID},
	}
	return page.Page[integration.DirectoryRow]{Items: rows, Next: f.next}, f.call(ctx, "DirectoryRows", accountID, filter)
}

func (f *fake) CountDirectoryRows(ctx context.Context, accountID string, filter integration.DirectoryFilter) (int, error) {
	return 2, f.call(ctx, "CountDirectoryRows", accountID, filter)
}

func (f *fake) MappingSummary(ctx context.Context, accountID string) (mapping.Summary, error) {
	sum := mapping.Summary{Unmapped: 3, Active: 2, Paused: 1, Unmatched: map[mapping.UnmatchedCode]int{mapping.Ambiguous: 2}}
	return sum, f.call(ctx, "MappingSummary", accountID)
}

func (f *fake) ActiveSync(ctx context.Context, accountID string) (*orgsync.Sync, error) {
	return f.active, f.call(ctx, "ActiveSync", accountID)
}

func (f *fake) LastSync(ctx context.Context, accountID string) (*orgsync.Sync, error) {
	return f.last, f.call(ctx, "LastSync", accountID)
}

func (f *fake) Connect(ctx context.Context, accountID string, by event.Actor, apiKey, region string) (integration.Integration, error) {
	return f.in, f.call(ctx, "Connect", accountID, by, apiKey, region)
}

func (f *fake) Test(ctx context.Context, apiKey, region string) (integration.TestResult, error) {
	return f.test, f.call(ctx, "Test", apiKey, region)
}

func (f *fake) Change(ctx context.Context, accountID string, c integration.Change, by event.Actor) (integration.Integration, error) {
	return f.in, f.call(ctx, "Change", accountID, c, by)
}

func (f *fake) Deactivate(ctx context.Context, accountID string, confirmed bool, by event.Actor) (int, error) {
	return 95, f.call(ctx, "Deactivate", accountID, confirmed, by)
}

func contoso() organization.Organization {
	return organization.Organization{
		ID: orgID, AccountID: accountA, Name: "Contoso", Domain: "contoso.com", EmailPlatform: organization.Microsoft365,
		CreatedAt: noon(), UpdatedAt: noon(), Mapped: true,
	}
}

func (f *fake) Organization(ctx context.Context, accountID, id string) (organization.Organization, error) {
	if err := f.call(ctx, "Organization", accountID, id); err != nil {
		return organization.Organization{}, err
	}
	return contoso(), known(id, orgID)
}

func (f *fake) Organizations(ctx context.Context, accountID string, filter organization.Filter) (page.Page[organization.Organization], error) {
	return page.Page[organization.Organization]{Items: []organization.Organization{contoso()}, Next: f.next},
		f.call(ctx, "Organizations", accountID, filter)
}

func (f *fake) CountOrganizations(ctx context.Context, accountID string, filter organization.Filter) (int, error) {
	return 1, f.call(ctx, "CountOrganizations", accountID, filter)
}

func (f *fake) Create(ctx context.Context, accountID string, n organization.New, by event.Actor) (organization.Organization, error) {
	return contoso(), f.call(ctx, "Create", accountID, n, by)
}

func (f *fake) Update(
	ctx context.Context, accountID, id string, change organization.Change, by event.Actor,
) (organization.Organization, error) {
	if err := f.call(ctx, "Update", accountID, id, change, by); err != nil {
		return organization.Organization{}, err
	}
	return contoso(), known(id, orgID)
}

func (f *fake) DeleteOrganization(ctx context.Context, accountID, id string, by event.Actor) error {
	return errors.Join(f.call(ctx, "DeleteOrganization", accountID, id, by), known(id, orgID))
}

func offers() []organization.Offer {
	return []organization.Offer{
		{DomainChoice: organization.DomainChoice{Name: "Contoso.com", Domain: "contoso.com"}, OrganizationID: orgID},
		{DomainChoice: organization.DomainChoice{Name: "c.onmicrosoft.com", Domain: "c.onmicrosoft.com", ProviderDefault: true}},
		{DomainChoice: organization.DomainChoice{Name: "intranet", Problem: "must be better"}},
	}
}

func (f *fake) Domains(ctx context.Context, accountID, itglueID string) ([]organization.Offer, error) {
	return offers(), f.call(ctx, "Domains", accountID, itglueID)
}

func (f *fake) Import(ctx context.Context, accountID string, items []organization.Item, by event.Actor) ([]organization.Outcome, error) {
	return f.imported, f.call(ctx, "Import", accountID, items, by)
}

func (f *fake) answerRow(ctx context.Context, method, accountID, organizationID string, args ...any) (mapping.Row, error) {
	if err := f.call(ctx, method, append([]any{accountID, organizationID}, args...)...); err != nil {
		return mapping.Row{}, err
	}
	return f.row, known(organizationID, orgID)
}

func (f *fake) Mapping(ctx context.Context, accountID, organizationID string) (mapping.Row, error) {
	return f.answerRow(ctx, "Mapping", accountID, organizationID)
}

func (f *fake) Mappings(ctx context.Context, accountID string, filter mapping.Filter) (page.Page[mapping.Row], error) {
	return page.Page[mapping.Row]{Items: []mapping.Row{f.row}, Next: f.next}, f.call(ctx, "Mappings", accountID, filter)
}

func (f *fake) CountMappings(ctx context.Context, accountID string, filter mapping.Filter) (int, error) {
	return 1, f.call(ctx, "CountMappings", accountID, filter)
}

func (f *fake) Map(ctx context.Context, accountID, organizationID, itglueID string, by event.Actor) (mapping.Row, error) {
	return f.answerRow(ctx, "Map", accountID, organizationID, itglueID, by)
}

func (f *fake) SetSyncEnabled(ctx context.Context, accountID, organizationID string, enabled bool, by event.Actor) (mapping.Row, error) {
	return f.answerRow(ctx, "SetSyncEnabled", accountID, organizationID, enabled, by)
}

func (f *fake) Unmap(ctx context.Context, accountID, organizationID string, by event.Actor) (mapping.Row, error) {
	return f.answerRow(ctx, "Unmap", accountID, organizationID, by)
}

func (f *fake) Refresh(ctx context.Context, accountID, organizationID string, by event.Actor) (mapping.Row, error) {
	return f.answerRow(ctx, "Refresh", accountID, organizationID, by)
}

func oneSync() orgsync.Sync {
	at := noon()
	return orgsync.Sync{
		ID: syncID, AccountID: accountA, Kind: orgsync.Manual, Status: orgsync.Running, Epoch: 3, Attempt: 1,
		Progress: orgsync.Progress{Phase: orgsync.Applying, Done: 5, Total: 9},
		Counts:   orgsync.Counts{Listed: 1, Unchanged: 2, Renamed: 3, Mapped: 4, Unmapped: 5, Held: 6, Skipped: 7},
		Failure:  &orgsync.Failure{Code: errs.ITGlueTimeout, Detail: "Slow."}, CreatedAt: at, StartedAt: &at,
		RequestedBy: event.Actor{TokenID: tokenID, TokenName: "Nightly"},
	}
}

func (f *fake) Sync(ctx context.Context, accountID, id string) (orgsync.Sync, error) {
	if err := f.call(ctx, "Sync", accountID, id); err != nil {
		return orgsync.Sync{}, err
	}
	return oneSync(), known(id, syncID)
}

func (f *fake) answerSync(ctx context.Context, method, accountID, id string, by event.Actor) (orgsync.Sync, error) {
	if err := f.call(ctx, method, accountID, id, by); err != nil {
		return orgsync.Sync{}, err
	}
	return oneSync(), known(id, syncID)
}

func (f *fake) CancelSync(ctx context.Context, accountID, id string, by event.Actor) (orgsync.Sync, error) {
	return f.answerSync(ctx, "CancelSync", accountID, id, by)
}

func (f *fake) Release(ctx context.Context, accountID, id string, by event.Actor) (orgsync.Sync, error) {
	return f.answerSync(ctx, "Release", accountID, id, by)
}

func (f *fake) RejectRemovals(ctx context.Context, accountID, id string, by event.Actor) (orgsync.Sync, error) {
	return f.answerSync(ctx, "RejectRemovals", accountID, id, by)
}

func (f *fake) Syncs(ctx context.Context, accountID string, filter orgsync.Filter) (page.Page[orgsync.Sync], error) {
	return page.Page[orgsync.Sync]{Items: []orgsync.Sync{oneSync()}, Next: f.next}, f.call(ctx, "Syncs", accountID, filter)
}

func (f *fake) CountSyncs(ctx context.Context, accountID string, filter orgsync.Filter) (int, error) {
	return 1, f.call(ctx, "CountSyncs", accountID, filter)
}

func (f *fake) SyncChanges(ctx context.Context, accountID, id string, filter orgsync.ChangeFilter) (page.Page[orgsync.Change], error) {
	rows := []orgsync.Change{
		{
			Seq: 1, Action: orgsync.ActionRename, Status: orgsync.ChangeApplied, Reason: orgsync.ReasonRenamedInITGlue,
			OrganizationID: orgID, OrganizationName: "Contoso", ITGlueID: "42", ITGlueName: "Contoso Ltd",
			Before: "Contoso", After: "Contoso Ltd",
		},
		{
			Seq: 2, Action: orgsync.ActionSkip, Status: orgsync.ChangeRefused, Reason: orgsync.ReasonAmbiguous,
			OrganizationID: orgID, OrganizationName: "Contoso",
		},
	}
	if err := f.call(ctx, "SyncChanges", accountID, id, filter); err != nil {
		return page.Page[orgsync.Change]{}, err
	}
	return page.Page[orgsync.Change]{Items: rows, Next: f.next}, known(id, syncID)
}

func (f *fake) CountSyncChanges(ctx context.Context, accountID, id string, filter orgsync.ChangeFilter) (int, error) {
	return 2, f.call(ctx, "CountSyncChanges", accountID, id, filter)
}

func (f *fake) Start(ctx context.Context, accountID string, kind orgsync.Kind, by event.Actor) (orgsync.Sync, bool, error) {
	return oneSync(), f.start, f.call(ctx, "Start", accountID, by, kind)
}

func oneEvent() event.Event {
	return event.Event{
		AccountID: accountA, Sequence: 7, Type: event.OrganizationRenamed, At: noon(), SyncID: syncID, Detail: "renamed-in-itglue",
		Actor:        event.Actor{TokenID: tokenID, TokenName: "Nightly"},
		Organization: &event.Subject{ID: orgID, Name: "Contoso"}, ITGlue: &event.Subject{ID: "42", Name: "Contoso Ltd"},
		Before: event.Properties{"name": "Contoso"}, After: event.Properties{"name": "Contoso Ltd"},
	}
}

func (f *fake) Events(ctx context.Context, accountID string, filter event.Filter) (page.Page[event.Event], error) {
	return page.Page[event.Event]{Items: []event.Event{oneEvent()}, Next: f.next}, f.call(ctx, "Events", accountID, filter)
}

func (f *fake) CountEvents(ctx context.Context, accountID string, filter event.Filter) (int, error) {
	return 1, f.call(ctx, "CountEvents", accountID, filter)
}

func (f *fake) LastEvent(ctx context.Context, accountID string) (int64, error) {
	return 1042, f.call(ctx, "LastEvent", accountID)
}

func (f *fake) EventsAfter(ctx context.Context, accountID string, after int64, limit int) ([]event.Event, int64, error) {
	return nil, after, f.call(ctx, "EventsAfter", accountID, after, limit)
}

// hurried admits streams and ends them at once, so that they can be read like other answers.
type hurried struct{}

func (hurried) Watch(accountID, caller string) (*live.Watcher, error) {
	service := live.NewService(live.Config{Source: silent{}})
	defer service.Close()
	return service.Watch(accountID, caller)
}

// silent tells of no changes.
type silent struct{}

func (silent) Watch(string) (changed <-chan struct{}, stop func()) { return nil, func() {} }
func (silent) Prompt() bool                                        { return true }

func (f *fake) ClaimKey(ctx context.Context, accountID string, r idempotency.Request) (*idempotency.Claim, error) {
	if err := f.call(ctx, "ClaimKey", accountID, r); err != nil {
		return nil, err
	}
	claim := f.claim
	return &claim, nil
}

func (f *fake) RenewKey(ctx context.Context, _ *idempotency.Claim) error {
	return f.call(ctx, "RenewKey")
}

func (f *fake) AnswerKey(ctx context.Context, _ *idempotency.Claim, a idempotency.Answer) error {
	return f.call(ctx, "AnswerKey", a)
}

func (f *fake) ReleaseKey(ctx context.Context, _ *idempotency.Claim) error {
	return f.call(ctx, "ReleaseKey")
}

// countingAuthenticator counts what is looked up, and may refuse all of it.
type countingAuthenticator struct {
	api.Authenticator

	calls   atomic.Int32
	revoked atomic.Bool
	away    atomic.Bool
}

func (a *countingAuthenticator) Authenticate(ctx context.Context, secret string) (account.Principal, error) {
	a.calls.Add(1)
	switch {
	case a.away.Load():
		return account.Principal{}, errs.New(errs.Unavailable, "Away.")
	case a.revoked.Load():
		return account.Principal{}, errs.New(errs.Unauthenticated, "Revoked.")
	default:
		return a.Authenticator.Authenticate(ctx, secret)
	}
}
