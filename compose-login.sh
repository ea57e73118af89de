# Makes the login of orgbridge on a new database: it owns the database and is no superuser, so that PostgreSQL's fence between accounts
# holds for it. The image of PostgreSQL runs this once, see compose.yaml.
psql --quiet --set ON_ERROR_STOP=1 --set database="$POSTGRES_DB" --set password="$ORGBRIDGE_PASSWORD" \
  --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE orgbridge LOGIN PASSWORD :'password';
ALTER DATABASE :"database" OWNER TO orgbridge;
SQL
