package main

import (
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// rolesExtension is published: which roles a token may have for the operation.
const rolesExtension = "x-roles"

// nameRoles tells of every operation which roles may use it, in its description and for programs. Annotations name them as scopes of the
// token, `@Security BearerAuth[admin]`; tools know scopes of OAuth only.
func nameRoles(doc *openapi3.T) error {
	for _, op := range operations(doc) {
		var roles []string
		for _, alternative := range *op.Security {
			roles = append(roles, alternative[bearerScheme]...)
		}
		if len(roles) == 0 {
			continue
		}
		op.Security = openapi3.NewSecurityRequirements().With(openapi3.NewSecurityRequirement().Authenticate(bearerScheme))
		op.Extensions = map[string]any{rolesExtension: roles}
		op.Description = strings.TrimSpace(op.Description + "\n\nRoles: `" + strings.Join(roles, "`, `") + "`.")
	}
	return nil
}
