package store

import (
	"testing"
	"time"

	"gorm.io/gorm"
)

func TestGuardRefusesStatementsWithoutAnAccount(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+t.TempDir()+"/x.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	const id, other = "01890000-0000-7000-8000-000000000000", "01890000-0000-7000-8000-000000000001"
	var rows []organizationRow
	var n int64
	for name, c := range map[string]struct {
		allowed bool
		run     func(tx *gorm.DB) *gorm.DB
	}{
		"find with the account":     {true, func(tx *gorm.DB) *gorm.DB { return tx.Where("account_id = ?", id).Find(&rows) }},
		"find":                      {false, func(tx *gorm.DB) *gorm.DB { return tx.Find(&rows) }},
		"find by id":                {false, func(tx *gorm.DB) *gorm.DB { return tx.Where("id = ?", id).Find(&rows) }},
		"find with no account":      {false, func(tx *gorm.DB) *gorm.DB { return tx.Where("account_id = ?", "").Find(&rows) }},
		"find by a zero struct":     {false, func(tx *gorm.DB) *gorm.DB { return tx.Where(&organizationRow{}).Find(&rows) }},
		"find with or":              {false, func(tx *gorm.DB) *gorm.DB { return tx.Where("account_id = ?", id).Or("id = ?", id).Find(&rows) }},
		"find with a hidden or":     {false, func(tx *gorm.DB) *gorm.DB { return tx.Where("account_id = ? OR 1 = 1", id).Find(&rows) }},
		"find with another account": {false, func(tx *gorm.DB) *gorm.DB { return tx.Where("account_id = ?", other).Find(&rows) }},
		"find with a foreign query": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Where("account_id = ?", id).Where("id IN (SELECT organization_id FROM mappings)").Find(&rows)
		}},
		"find with an own query": {true, func(tx *gorm.DB) *gorm.DB {
			return tx.Where("account_id = ?", id).Where("id IN (SELECT organization_id FROM mappings WHERE account_id = ?)", id).Find(&rows)
		}},
		"raw with another account": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Raw("SELECT count(*) FROM syncs WHERE id <> ? AND account_id = ?", id, other).Scan(&n)
		}},
		"raw with both accounts": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Raw("SELECT count(*) FROM syncs WHERE account_id = ? AND id IN (SELECT id FROM syncs WHERE account_id = ?)", id, other).Scan(&n)
		}},
		"update of another account": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Model(&syncRow{}).Where("account_id = ?", other).Update("done", 1)
		}},
		"create for another account": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Create(&directoryRow{AccountID: other, ID: "1"})
		}},
		"create a token for another account": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Create(&tokenRow{AccountID: new(other), ID: "1"})
		}},
		"find across accounts": {false, func(tx *gorm.DB) *gorm.DB { return acrossAccounts(tx).Find(&rows) }},
		"find all in a unit for all": {true, func(tx *gorm.DB) *gorm.DB {
			return acrossAccounts(tx.WithContext(ofEvery().within(t.Context()))).Find(&rows)
		}},
		"find in no unit":          {false, func(tx *gorm.DB) *gorm.DB { return tx.WithContext(t.Context()).Where("account_id = ?", id).Find(&rows) }},
		"count":                    {false, func(tx *gorm.DB) *gorm.DB { return tx.Model(&mappingRow{}).Count(&n) }},
		"pluck":                    {false, func(tx *gorm.DB) *gorm.DB { return tx.Model(&mappingRow{}).Pluck("organization_id", &[]string{}) }},
		"alias":                    {false, func(tx *gorm.DB) *gorm.DB { return tx.Table("mappings AS m").Select("m.*").Scan(&rows) }},
		"foreign join":             {false, func(tx *gorm.DB) *gorm.DB { return tx.Table("accounts").Joins("JOIN mappings m ON true").Count(&n) }},
		"join without the account": {false, joined("m.organization_id = o.id", &n)},
		"join with the account":    {true, joined("m.account_id = o.account_id AND m.organization_id = o.id", &n)},
		"raw":                      {false, func(tx *gorm.DB) *gorm.DB { return tx.Raw("SELECT count(*) FROM syncs").Scan(&n) }},
		"raw with the account": {true, func(tx *gorm.DB) *gorm.DB {
			return tx.Raw("SELECT count(*) FROM syncs WHERE account_id = ?", id).Scan(&n)
		}},
		"exec":                    {false, func(tx *gorm.DB) *gorm.DB { return tx.Exec("DELETE FROM directory") }},
		"update":                  {false, func(tx *gorm.DB) *gorm.DB { return tx.Model(&syncRow{}).Where("id = ?", id).Update("done", 1) }},
		"update with the account": {true, func(tx *gorm.DB) *gorm.DB { return tx.Model(&syncRow{}).Where("account_id = ?", id).Update("done", 1) }},
		"delete":                  {false, func(tx *gorm.DB) *gorm.DB { return tx.Where("id = ?", id).Delete(&syncRow{}) }},
		"create without account":  {false, func(tx *gorm.DB) *gorm.DB { return tx.Create(&mappingRow{OrganizationID: id, State: "unmapped"}) }},
		"create some without": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Create(&[]directoryRow{{AccountID: id, ID: "1"}, {ID: "2"}})
		}},
		"other tables": {true, func(tx *gorm.DB) *gorm.DB { return tx.Model(&accountRow{}).Count(&n) }},
	} {
		if err := c.run(s.conn(of(id).within(t.Context()))).Error; (err == nil) != c.allowed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func joined(on string, n *int64) func(tx *gorm.DB) *gorm.DB {
	return func(tx *gorm.DB) *gorm.DB {
		return tx.Table("organizations AS o").Joins("JOIN mappings m ON "+on).Where("o.account_id = ?", "01890000-0000-7000-8000-000000000000").Count(n)
	}
}

func TestDatabaseTimeIsWrittenLikeTheDriverDoes(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+t.TempDir()+"/x.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 50 { // among them some whose fraction ends with a zero
		var text, driver string
		if err := s.conn(t.Context()).Raw("SELECT ?", s.databaseTime(0)).Scan(&text).Error; err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse("2006-01-02 15:04:05.999999999-07:00", text)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.conn(t.Context()).Raw("SELECT ?", at).Scan(&driver).Error; err != nil {
			t.Fatal(err)
		}
		if text != driver {
			t.Fatalf("the database writes %q, the driver %q", text, driver)
		}
	}
}
