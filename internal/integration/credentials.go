package integration

import (
	"bytes"
	"context"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// sampleSize is how many mapped organizations a new key is tried on. It takes two requests, however many there are.
const sampleSize = 200

// credentials are a key and a region that IT Glue has just accepted. The key is sealed for the integration that they were tried for.
type credentials struct {
	triedFor    Integration
	key         string
	region      itglue.Region
	sealed      []byte
	otherKey    bool
	otherRegion bool
	// sameAccount says that they were seen to be of the IT Glue account that the mapped organizations are in, and so is the directory.
	sameAccount bool
	// forced says that a person vouches for the account, whatever it looks like.
	forced bool
}

// try finds out whether IT Glue accepts the key and region of a change, and whether they belong to the IT Glue account that the mapped
// organizations are in.
func (s *Service) try(ctx context.Context, accountID string, c Change) (*credentials, error) {
	ctx, cancel := Interactive(ctx)
	defer cancel()
	tried, err := s.asked(ctx, accountID, c)
	if err != nil {
		return nil, err
	}
	if _, err := s.check(ctx, tried.key, tried.region); err != nil {
		return nil, s.withRegionHint(ctx, err, tried.key, tried.region)
	}
	if !tried.otherKey && !tried.otherRegion {
		return tried, nil // sealed as it is
	}
	if !c.Force {
		if tried.sameAccount, err = s.checkAccount(ctx, accountID, tried); err != nil {
			return nil, err
		}
	}
	tried.sealed, err = s.sealKey(ctx, tried.key, tried.triedFor)
	return tried, err
}

// asked returns the key and region to try: what the change leaves out is the integration's own.
func (s *Service) asked(ctx context.Context, accountID string, c Change) (*credentials, error) {
	in, err := s.Store.Integration(ctx, accountID)
	if err != nil {
		return nil, err
	}
	own, err := s.openKey(in)
	if err != nil && c.APIKey == nil {
		return nil, err
	}
	asked := &credentials{triedFor: in, key: own, region: in.Region, sealed: in.SealedKey, forced: c.Force}
	replace(&asked.key, c.APIKey)
	if c.Region != nil {
		asked.region = itglue.Region(*c.Region)
	}
	asked.otherKey, asked.otherRegion = asked.key != own, asked.region != in.Region
	return asked, nil
}

// giveTo puts the credentials into the integration that they were tried for, or answers [errs.Conflict] if that has changed.
func (t *credentials) giveTo(changed *Changed) error {
	in := &changed.Integration
	if in.ID != t.triedFor.ID || in.Region != t.triedFor.Region || !bytes.Equal(in.SealedKey, t.triedFor.SealedKey) {
		return errs.New(errs.Conflict, "The integration was changed at the same time. Try again.")
	}
	changed.KeyAccepted, changed.OtherKey, changed.OtherRegion = true, t.otherKey, t.otherRegion
	in.Region, in.SealedKey = t.region, t.sealed
	if (t.otherKey || t.otherRegion || t.forced) && !t.sameAccount {
		changed.ListAnew = newID()
	}
	if t.otherKey {
		in.APIKeyHint = hint(t.key)
	}
	return nil
}

// checkAccount asks IT Glue for mapped organizations, which a key of another account does not see. Without mappings any account will do,
// but then, or when the directory has less than half of the sample, nothing shows that the directory is of the same one.
func (s *Service) checkAccount(ctx context.Context, accountID string, tried *credentials) (same bool, err error) {
	mapped, err := s.Store.CountMapped(ctx, accountID)
	if err != nil || mapped == 0 {
		return false, err
	}
	sample, err := s.Store.MappedSample(ctx, accountID, sampleSize)
	if err != nil {
		return false, err
	}
	client, err := s.ITGlue.Dial(tried.key, tried.region)
	if err != nil {
		return false, err
	}
	ids := make([]string, len(sample))
	for i := range sample {
		ids[i] = sample[i].ID
	}
	visible, err := client.OrganizationsByID(ctx, ids)
	if err != nil {
		return false, FromITGlue(noList(err))
	}
	return mostlyListed(sample), judgeAccount(mapped, sample, visible)
}

// mostlyListed is false for a directory of another account, which was taken with a key that has had its day in between.
func mostlyListed(sample []Mapped) bool {
	listed := 0
	for i := range sample {
		if sample[i].Listed {
			listed++
		}
	}
	return 2*listed >= len(sample)
}

// judgeAccount answers [errs.DifferentITGlueAccount] when less than half of a sample of the mapped organizations is visible under the
// names that they were last known by. Ids alone prove nothing: those of another account may be the same by chance.
func judgeAccount(mapped int, sample []Mapped, visible []itglue.Organization) error {
	known := make(map[string]string, len(sample))
	for _, m := range sample {
		known[m.ID] = m.Name
	}
	found := 0
	for _, o := range visible {
		if name, asked := known[o.ID]; asked && names.Equal(name, Entry(o).Name) {
			found++
		}
	}
	if 2*found >= len(sample) {
		return nil
	}
	return errs.New(errs.DifferentITGlueAccount,
		"The API key seems to be of another IT Glue account: of %d mapped organizations that were looked for, it gives access to %d.",
		len(sample), found).With("mapped", mapped).With("checked", len(sample)).With("found", found)
}
