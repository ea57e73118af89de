package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
)

type createAccountRequest struct {
	// Kept as it is. Not all blank.
	Name string `json:"name" validate:"required,max=255" minLength:"1" example:"Northwind IT"`
} //	@name	CreateAccount

// faults lets bind tell what the account itself refuses along with the rest.
func (r createAccountRequest) faults() []errs.Field { return account.CheckName(r.Name) }

type accountDTO struct {
	ID        string    `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
	Name      string    `json:"name" validate:"required" example:"Northwind IT"`
	CreatedAt time.Time `json:"createdAt" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
} //	@name	Account

func toAccount(a account.Account) accountDTO {
	return accountDTO{ID: a.ID, Name: a.Name, CreatedAt: a.CreatedAt.UTC()}
}

func toAccounts(all []account.Account) []accountDTO {
	out := make([]accountDTO, 0, len(all))
	for i := range all {
		out = append(out, toAccount(all[i]))
	}
	return out
}
