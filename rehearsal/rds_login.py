"""Who may log in to an RDS instance: members of rds_iam by token, the master by password."""

import contextlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from rehearsal.postgres import Postgres
from rehearsal.rds_token import DatabaseAddress, TokenRefusedError, verify

# https://www.postgresql.org/docs/16/errcodes-appendix.html
INVALID_AUTHORIZATION = "28000"
INVALID_PASSWORD = "28P01"  # noqa: S105
INTERNAL_ERROR = "XX000"
# Membership counts however it was granted, as in pg_hba.conf, where RDS has "hostssl all +rds_iam all pam".
# The edge by which rds_superuser grants rds_iam stands for a right of RDS's own: it makes nobody a member.
IS_IAM_USER = """
WITH RECURSIVE granted(oid) AS (
    SELECT oid FROM pg_roles WHERE rolname = %s
    UNION
    SELECT m.roleid FROM pg_auth_members m JOIN granted g ON m.member = g.oid
    WHERE m.member <> 'rds_superuser'::regrole
)
SELECT EXISTS (SELECT FROM granted JOIN pg_roles USING (oid) WHERE rolname = 'rds_iam')
"""


class LoginRefusedError(Exception):
    """What the client is told, which is as little as RDS tells."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class RdsLogin:
    """The login rules of one instance.

    Attributes:
        address: what clients connect to; a token must be made for it.
        secret_of: gives the secret of an access key id and session token, None when IAM knows none.
        authorize: whether the key's owner may `rds-db:connect` as a database user.
        force_ssl: the parameter group's `rds.force_ssl`.
        refusals: why logins were refused, in order; for the rehearsal, not for the client.
    """

    postgres: Postgres
    address: DatabaseAddress
    master_password: str = field(repr=False)
    secret_of: Callable[[str, str | None], str | None]
    authorize: Callable[[str, str], bool]
    force_ssl: bool = True
    refusals: list[str] = field(default_factory=list)

    def check_encryption(self, user: str, database: str, *, encrypted: bool) -> None:
        """Refuse a plain connection where TLS is forced, and for IAM users always.

        Raises:
            LoginRefusedError: it has to be encrypted.
        """
        if not encrypted and (self.force_ssl or self._is_iam_user(user)):
            place = f'host "127.0.0.1", user "{user}", database "{database}"'
            message = f"no pg_hba.conf entry for {place}, no encryption"
            raise self.refused(user, "not encrypted", INVALID_AUTHORIZATION, message)

    def check_password(self, user: str, password: str) -> None:
        """Take a token from members of rds_iam and a password from others, never the other way round.

        Raises:
            LoginRefusedError: it does not open this user's door.
        """
        if self._is_iam_user(user):
            reason = self._fault_of_token(user, password)
            message = f'PAM authentication failed for user "{user}"'
            if reason is not None:
                raise self.refused(user, reason, INVALID_AUTHORIZATION, message)
        elif user != self.postgres.master or not hmac.compare_digest(
            password.encode(), self.master_password.encode()
        ):
            message = f'password authentication failed for user "{user}"'
            raise self.refused(user, "not the master's password", INVALID_PASSWORD, message)

    def _fault_of_token(self, user: str, token: str) -> str | None:
        try:
            key = verify(token, self.address, user, self.secret_of)
        except TokenRefusedError as error:
            return str(error)
        return None if self.authorize(key, user) else f"{key} may not rds-db:connect"

    def _is_iam_user(self, user: str) -> bool:
        with (
            contextlib.closing(self.postgres.connect(database="postgres")) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(IS_IAM_USER, (user,))
            return bool(cursor.fetchone()[0])

    def refused(self, user: str, reason: str, code: str, message: str) -> LoginRefusedError:
        """Note the reason, and return what the client is told instead."""
        self.refusals.append(f"{user}: {reason}")
        return LoginRefusedError(code, message)
