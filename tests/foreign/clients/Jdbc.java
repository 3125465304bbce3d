import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** What a program in Java does with a database: `Jdbc TEST SCHEMA URL`; prints `ok`. */
final class Jdbc {
    public static void main(String[] words) throws Exception {
        String user = System.getenv("JDBC_USER");
        try (Connection connection = DriverManager.getConnection(words[2], user, System.getenv("JDBC_PASSWORD"));
                Statement statement = connection.createStatement()) {
            statement.execute("SET search_path TO " + words[1]);
            switch (words[0]) {
                case "types" -> types(statement);
                case "prepared" -> prepared(connection, statement);
                case "batches" -> batches(connection, statement);
                case "errors" -> errors(connection, statement);
                case "metadata" -> metadata(connection, statement, words[1]);
                default -> throw new IllegalArgumentException(words[0]);
            }
        }
        System.out.println("ok");
    }

    private static void same(Object found, Object expected) {
        if (!Objects.equals(found, expected)) {
            throw new AssertionError(found + ", not " + expected);
        }
    }

    private static void types(Statement statement) throws SQLException {
        statement.execute("CREATE TABLE t (a BIGINT, b DECIMAL(18,2), c VARCHAR(20), d TIMESTAMP, e SUPER, f VARBYTE)");
        statement.execute("INSERT INTO t SELECT 1, 1.50, 'gr\u00f6\u00dfe', '2024-02-29 01:02:03', "
                + "JSON_PARSE('{\"a\":1}'), TO_VARBYTE('abc', 'utf8')");
        try (ResultSet row = statement.executeQuery("SELECT * FROM t")) {
            row.next();
            same(row.getLong(1), 1L);
            same(row.getBigDecimal(2), new BigDecimal("1.50"));
            same(row.getString(3), "gr\u00f6\u00dfe");
            same(row.getTimestamp(4).toString(), "2024-02-29 01:02:03.0");
            same(row.getString(5), "{\"a\":1}");
            same(row.getString(6), "616263");
        }
    }

    private static void prepared(Connection connection, Statement statement) throws SQLException {
        statement.execute("CREATE TABLE p (n INTEGER, t VARCHAR(20))");
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO p VALUES (?, ?)");
                PreparedStatement select = connection.prepareStatement("SELECT t FROM p WHERE n = ?")) {
            // From the fifth time on the driver names the statement on the server.
            for (int n = 0; n < 8; n++) {
                insert.setInt(1, n);
                insert.setString(2, "it's \\ " + n);
                same(insert.executeUpdate(), 1);
                select.setInt(1, n);
                try (ResultSet row = select.executeQuery()) {
                    row.next();
                    same(row.getString(1), "it's \\ " + n);
                }
            }
        }
    }

    private static void batches(Connection connection, Statement statement) throws SQLException {
        statement.execute("CREATE TABLE b (n INTEGER)");
        connection.setAutoCommit(false);
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO b VALUES (?)")) {
            for (int n = 0; n < 20; n++) {
                insert.setInt(1, n);
                insert.addBatch();
            }
            same(insert.executeBatch().length, 20);
        }
        connection.rollback();
        try (ResultSet row = statement.executeQuery("SELECT COUNT(*) FROM b")) {
            row.next();
            same(row.getInt(1), 0);
        }
        statement.setFetchSize(2);
        try (ResultSet rows = statement.executeQuery("SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3 ORDER BY n")) {
            int seen = 0;
            while (rows.next()) {
                seen++;
            }
            same(seen, 3);
        }
        connection.commit();
    }

    private static void errors(Connection connection, Statement statement) throws SQLException {
        try {
            statement.execute("SELECT * FROM missing");
            throw new AssertionError("no error");
        } catch (SQLException error) {
            same(error.getSQLState(), "42P01");
        }
        connection.setAutoCommit(false);
        try {
            connection.setSavepoint();
            throw new AssertionError("savepoints are not supported");
        } catch (SQLException error) {
            same(error.getSQLState(), "0A000");
        }
        connection.rollback();
    }

    private static void metadata(Connection connection, Statement statement, String schema) throws SQLException {
        statement.execute("CREATE TABLE m (id BIGINT NOT NULL, t VARCHAR(20))");
        same(connection.getMetaData().getDatabaseProductVersion(), "8.0.2");
        same(names(connection.getMetaData().getTables(null, schema, "%", null), "TABLE_NAME"), List.of("m"));
        same(names(connection.getMetaData().getColumns(null, schema, "m", "%"), "COLUMN_NAME"), List.of("id", "t"));
        if (!names(connection.getMetaData().getSchemas(), "TABLE_SCHEM").contains(schema)) {
            throw new AssertionError("the schema is not listed");
        }
    }

    private static List<String> names(ResultSet rows, String column) throws SQLException {
        List<String> names = new ArrayList<>();
        while (rows.next()) {
            names.add(rows.getString(column));
        }
        return names;
    }
}
